#pragma once
// Files of the repository that are generated from the product's tables, and committed.

#include <string>

// What is committed as `path`, from the root of the repository. With the environment variable PGWEIR_GENERATE
// set the file is first written anew from `text`: so a changed table is carried into the repository.
std::string committed(const std::string& path, const std::string& text);
