#include "frontend/report.h"

#include <cstdio>

#include <nlohmann/json.hpp>

#include "frontend/listing.h"
#include "frontend/lockstep.h"

namespace doppel::frontend {
namespace {

using Json = nlohmann::ordered_json;

std::string hex(u64 value) {
  char text[20];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
  return text;
}

Json autopsy_json(const Autopsy& autopsy) {
  Json json;
  json["reason"] = autopsy.reason;
  json["mode"] = autopsy.mode;
  json["registers"] = autopsy.registers;
  json["faults"] = Json::array();
  for (const Autopsy::FaultLine& fault : autopsy.faults) {
    json["faults"].push_back({{"name", fault.name},
                              {"error_code", hex(fault.error_code)},
                              {"cs", hex(fault.cs)},
                              {"rip", hex(fault.rip)},
                              {"cr2", hex(fault.cr2)},
                              {"not_delivered", fault.failure}});
  }
  json["walks"] = Json::array();
  for (const Autopsy::WalkReport& walk : autopsy.walks) {
    json["walks"].push_back(
        {{"of", walk.what}, {"address", hex(walk.address)}, {"levels", walk.lines}});
  }
  json["branches"] = Json::array();
  for (const cpu::BranchRecord& branch : autopsy.branches) {
    json["branches"].push_back({{"from", hex(branch.from)}, {"to", hex(branch.to)}});
  }
  json["code"] = Json::array();
  for (const GuestView::Line& line : autopsy.code) {
    json["code"].push_back(
        {{"address", hex(line.address)}, {"bytes", line.bytes}, {"text", line.text}});
  }
  json["stack"] = {{"address", hex(autopsy.stack_address)}, {"words", Json::array()}};
  for (const u64 word : autopsy.stack) json["stack"]["words"].push_back(hex(word));
  json["post_codes"] = autopsy.post_codes;
  json["text"] = autopsy.text();
  return json;
}

Json callouts_json(const jit::TranslatorStatistics& statistics) {
  Json json = Json::object();
  for (const auto& [name, count] : callouts_by_name(statistics)) json[name] = count;
  return json;
}

/// Names as in jit/translator.h; null where nothing is translated.
Json jit_json(const jit::TranslatorStatistics* found) {
  if (found == nullptr) return nullptr;
  const jit::TranslatorStatistics& s = *found;
  return {{"blocks", s.blocks},
          {"live_blocks", s.live_blocks},
          {"guest_instructions", s.guest_instructions},
          {"guest_bytes", s.guest_bytes},
          {"host_bytes", s.host_bytes},
          {"translate_ns", s.translate_ns},
          {"entries", s.entries},
          {"interpreted_blocks", s.interpreted_blocks},
          {"links", s.links},
          {"lookups", s.lookups},
          {"misses", s.misses},
          {"slow_accesses", s.slow_accesses},
          {"callouts", s.callouts},
          {"callouts_by_mnemonic", callouts_json(s)},
          {"invalidated", s.invalidated},
          {"evicted", s.evicted},
          {"flushes", s.flushes}};
}

Json lockstep_json(Machine& machine) {
  const Lockstep* const lockstep = machine.lockstep();
  if (lockstep == nullptr) return nullptr;
  return {{"interval", machine.config().lockstep.interval},
          {"whole_interval", machine.config().lockstep.whole_interval},
          {"comparisons", lockstep->counters().comparisons},
          {"whole_comparisons", lockstep->counters().whole_comparisons},
          {"difference", lockstep->report()}};
}

}  // namespace

std::string report_json(const Report& report, Machine& machine) {
  const u64 instructions = machine.cpu().state.retired;
  const mmu::MmuCounters& mmu = machine.cpu().mmu.counters();
  const cpu::EngineCounters& engine = machine.engine().counters();
  Json json;
  json["version"] = "doppel 0.1";
  json["name"] = report.name;
  json["command"] = report.command;
  json["seed"] = report.seed;
  json["cpu"] = machine.config().model.name();
  json["boot"] = machine.boot_plan().kind;
  json["instructions"] = instructions;
  json["virtual_ns"] = machine.now_ns();
  json["host_ms"] = report.host_ms;
  json["mips"] = report.host_ms == 0 ? 0.0
                                     : static_cast<double>(instructions) / 1000.0 /
                                           static_cast<double>(report.host_ms);
  json["resets"] = report.resets;
  json["exit"] = {{"kind", report.outcome.name()},
                  {"status", report.status},
                  {"reason", report.outcome.reason}};
  json["state_hash"] = report.state_hash;
  json["autopsy"] = report.autopsy ? autopsy_json(*report.autopsy) : Json(nullptr);
  json["sanitizer"] = Json::array();
  const u64 resident = machine.pmap().frames_in_use() * kPageSize;
  json["memory"] = {
      {"guest", machine.config().ram_bytes}, {"resident", resident}, {"shared", 0}, {"saved", 0}};
  const jit::TranslatorStatistics* const jit = translator_statistics(machine.engine());
  json["translator"] = {{"blocks", jit != nullptr ? jit->blocks : engine.blocks_decoded},
                        {"bytes", jit != nullptr ? jit->host_bytes : 0},
                        {"flushes", jit != nullptr ? jit->flushes : engine.cache_flushes}};
  json["jit"] = jit_json(jit);
  json["lockstep"] = lockstep_json(machine);
  json["engine"] = {{"name", machine.engine_name()},
                    {"block_lookups", engine.block_lookups},
                    {"blocks_invalidated", engine.blocks_invalidated},
                    {"instructions_decoded", engine.instructions_decoded}};
  json["mmu"] = {{"misses", mmu.misses},
                 {"hidden_faults", mmu.hidden_faults},
                 {"true_faults", mmu.true_faults},
                 {"walks", mmu.walks},
                 {"refills", mmu.refills},
                 {"flushes", mmu.flushes},
                 {"page_flushes", mmu.page_flushes},
                 {"mmio", mmu.mmio},
                 {"tracked_stores", mmu.tracked_stores}};
  json["post_codes"] = machine.board().post_codes();
  // Guests and file names may hold bytes that are no UTF-8.
  return json.dump(2, ' ', true, Json::error_handler_t::replace) + "\n";
}

}  // namespace doppel::frontend
