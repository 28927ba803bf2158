#include "protocol/saslprep.h"

#include <doctest/doctest.h>

#include <string>

using namespace pgweir;

TEST_CASE("saslprep: the examples of RFC 4013") {
  CHECK(saslprep("I\u00adX") == "IX");
  CHECK(saslprep("user") == "user");
  CHECK(saslprep("USER") == "USER");
  CHECK(saslprep("\u00aa") == "a");
  CHECK(saslprep("\u2168") == "IX");
}

TEST_CASE("saslprep: prohibited text stays as it is") {
  for (Bytes text :
       {"\x07", "tab\there", "a\u0085\u00aa",
        "\u0627"
        "1",
        "\ue000\u00aa", "\ufffd\u00aa", "\U000e0001\u00aa", "\u0340\u00aa", "\u0221\u00aa", "\ufdd0\u00aa"}) {
    CAPTURE(text);
    CHECK(saslprep(text) == text);
  }
}

TEST_CASE("saslprep: text that would become empty stays as it is") {
  CHECK(saslprep("") == "");
  CHECK(saslprep("\u00ad\u200d") == "\u00ad\u200d");
}

TEST_CASE("saslprep: what is not UTF-8 stays as it is") {
  for (Bytes text : {"p\xe4ss\u00aa", "\xc3", "\xc0\x80\u00aa", "\xed\xa0\x80\u00aa",
                     "\xf4\x90\x80\x80\u00aa", "\xe0\x80\xaf\u00aa", "\xff"}) {
    CAPTURE(text);
    CHECK(saslprep(text) == text);
  }
  CHECK(saslprep(Bytes("\0\u00aa", 3)) == std::string("\0\u00aa", 3));
}

TEST_CASE("saslprep: spaces of all kinds become the plain one, before zero width is dropped") {
  CHECK(saslprep("a\u00a0b\u3000c\u200bd\u200de") == "a b c de");
}

TEST_CASE("saslprep: composed and decomposed letters are the same") {
  CHECK(saslprep("u\u0308") == "\u00fc");
  CHECK(saslprep("\u00fc") == "\u00fc");
  CHECK(saslprep("\ufb01\uff21") == "fiA");
}

TEST_CASE("saslprep: right-to-left text must begin and end so, without left-to-right letters") {
  CHECK(saslprep("\u0627"
                 "1\u0628\u00ad") ==
        "\u0627"
        "1\u0628");
  CHECK(saslprep("\u0627a\u0628\u00ad") == "\u0627a\u0628\u00ad");
  CHECK(saslprep("1\u0627\u00ad") == "1\u0627\u00ad");
}

TEST_CASE("saslprep: direction is judged before the normalisation, as PostgreSQL does") {
  // U+2135 counts as left-to-right and becomes a Hebrew letter.
  CHECK(saslprep("a\u2135") == "a\u05d0");
}

TEST_CASE("saslprep: long text") {
  for (std::size_t size : {1023u, 1024u, 4096u, 65536u}) {
    const std::string ascii(size, 'p');
    CHECK(saslprep(ascii) == ascii);
    std::string accented, prepared;
    for (std::size_t i = 0; i < size; ++i) accented += "\u00aa", prepared += 'a';
    CHECK(saslprep(accented) == prepared);
  }
}
