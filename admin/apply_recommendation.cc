// APPLY RECOMMENDATION and RESET RECOMMENDATION: what is to be changed; the control thread does it.

#include <utility>

#include "admin/advise_pools.h"
#include "admin/pool_view.h"
#include "admin/show.h"

namespace pgweir {
namespace {

using Arguments = std::span<const Token>;

std::string listed(const std::vector<std::string>& sentences) {
  std::string out;
  for (const std::string& sentence : sentences) out += (out.empty() ? "" : " ") + sentence;
  return out;
}

std::string named(const Route& route) { return "pool \"" + printable(name_of(route), 120) + "\""; }

ConsoleError no_pool_named(const CommandCall& call, Bytes command) {
  return {sqlstate::syntax_error,
          std::string(command) + " takes the pool that it is for",
          {},
          call.world.settings.applied_sizes.empty() || command.starts_with("APPLY")
              ? "SHOW RECOMMENDATIONS lists the pools."
              : "SHOW CONFIG lists the sizes that were applied."};
}

ConsoleError not_applicable(const Route& route, const char* why, const Advice& advice, const char* hint) {
  const std::string missing = listed(advice.missing);
  return {sqlstate::object_not_in_prerequisite_state, why + named(route),
          advice.in_short + (missing.empty() ? "" : ". " + missing), hint};
}

std::optional<ConsoleError> refusal(const Route& route, const Advice& advice, bool force) {
  if (advice.verdict == Verdict::collecting || !advice.recommended) {
    return not_applicable(route, "there is no advice yet for ", advice,
                          "SHOW RECOMMENDATIONS says when there is.");
  }
  if (advice.confidence == Confidence::low && !force) {
    return not_applicable(route, "there is too little evidence for the advice on ", advice,
                          "Ask again later, or add FORCE to apply it all the same.");
  }
  return {};
}

}  // namespace

CommandOutcome apply_recommendation(CommandCall& call) {
  Arguments arguments = call.arguments;
  const bool force = arguments.size() > 1 && arguments.back().is("FORCE");
  if (force) arguments = arguments.first(arguments.size() - 1);
  if (arguments.empty()) return tl::unexpected(no_pool_named(call, "APPLY RECOMMENDATION"));
  const World& world = call.world;
  const auto pools = pools_named(arguments, world, MeasureDepth::minutes);
  if (!pools) return tl::unexpected(pools.error());
  if (pools->size() > 1) {
    return tl::unexpected(ConsoleError{
        sqlstate::syntax_error, "this database has " + std::to_string(pools->size()) + " pools",
        "APPLY RECOMMENDATION changes one pool.", "Name it as database/user; SHOW POOLS lists them."});
  }
  const PoolSnapshot& pool = pools->front();
  const Route route{pool.database, pool.user};
  const Advice advice = std::move(advise_pools(*pools, world).front().advice);
  if (auto error = refusal(route, advice, force)) return tl::unexpected(std::move(*error));
  call.order.change =
      SizeChange{AdviceEntry::Kind::set, route, advice.current, *advice.recommended, advice.in_short};
  return {};
}

CommandOutcome reset_recommendation(CommandCall& call) {
  if (call.arguments.empty()) return tl::unexpected(no_pool_named(call, "RESET RECOMMENDATION"));
  std::string name;
  for (const Token& token : call.arguments) name += token.text;
  const Settings& settings = call.world.settings;
  std::vector<Route> meant;
  for (const auto& [route, size] : settings.applied_sizes)
    if (route.database == name || name_of(route) == name) meant.push_back(route);
  if (meant.size() != 1) {
    return tl::unexpected(ConsoleError{
        sqlstate::undefined_object,
        meant.empty() ? "no size is applied to a pool \"" + printable(name, 80) + "\""
                      : "sizes are applied to " + std::to_string(meant.size()) + " pools of this database",
        meant.empty() ? "It has the size of the file." : "RESET RECOMMENDATION changes one pool.",
        "SHOW CONFIG lists the sizes that were applied, by database/user."});
  }
  const Route& route = meant.front();
  call.order.change =
      SizeChange{AdviceEntry::Kind::reset, route, settings.size_of(route.database, route.user),
                 settings.configured_size(route.database, route.user), "the size of the file counts again"};
  return {};
}

}  // namespace pgweir
