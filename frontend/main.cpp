// doppel: a PC in software. This file turns the command line into a run.

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "cpu/cpu_model.h"
#include "frontend/launch.h"
#include "frontend/message.h"
#include "frontend/options.h"
#include "frontend/trace_log.h"

namespace {

using doppel::frontend::Options;

std::string cpu_help() {
  std::string out = "models of -cpu:\n";
  for (const std::string& name : doppel::cpu::CpuModel::names()) out += "  " + name + "\n";
  out += "features (+name, -name):\n ";
  size_t column = 1;
  for (const std::string& name : doppel::cpu::CpuModel::feature_names()) {
    if (column + name.size() + 1 > 78) {
      out += "\n ";
      column = 1;
    }
    out += " " + name;
    column += name.size() + 1;
  }
  return out + "\n";
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
  const auto parsed = doppel::frontend::parse_options(arguments);
  if (!parsed.ok()) {
    doppel::frontend::say(parsed.error().message);
    const bool qemu_style =
        std::find(arguments.begin(), arguments.end(), "--exit-style=qemu") != arguments.end();
    return qemu_style ? 1 : 2;
  }
  const Options& options = parsed.value();
  std::string text;
  switch (options.action) {
    case Options::Action::Run:
      return doppel::frontend::launch(options, arguments);
    case Options::Action::Help:
      text = doppel::frontend::help_text();
      break;
    case Options::Action::Version:
      text = "doppel 0.1\n";
      break;
    case Options::Action::CpuHelp:
      text = cpu_help();
      break;
    case Options::Action::MachineHelp:
      text = "machines:\n  pc    an ISA PC with PCI, 440FX and PIIX3 style\n";
      break;
    case Options::Action::LogHelp:
      text = doppel::frontend::TraceLog::item_list();
      break;
  }
  std::fputs(text.c_str(), stdout);
  return 0;
}
