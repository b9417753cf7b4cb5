#include <doctest/doctest.h>

#include "frontend/options.h"

namespace doppel::frontend {
namespace {

using Bus = DriveOptions::Bus;
using Kind = CharacterTarget::Kind;

std::string error_of(const std::vector<std::string>& arguments) {
  const auto parsed = parse_options(arguments);
  return parsed.ok() ? "" : parsed.error().message;
}

Options parsed(std::vector<std::string> arguments) {
  auto result = parse_options(arguments);
  REQUIRE_MESSAGE(result.ok(), result.error().message);
  return result.take();
}

TEST_CASE("virtio options: drives count from zero, whichever way they are said") {
  const Options options =
      parsed({"-nodefaults", "-drive", "file=a,if=virtio,serial=S1", "-drive", "file=b,if=none,id=x", "-device",
              "virtio-blk-pci,drive=x,bootindex=3,serial=S2,disable-legacy=on"});
  REQUIRE(options.drives.size() == 2);
  CHECK(options.drives[0].bus == Bus::Virtio);
  CHECK(options.drives[0].index == 0);
  CHECK(options.drives[0].serial == "S1");
  CHECK_FALSE(options.drives[0].boot_index.has_value());
  CHECK(options.drives[1].bus == Bus::Virtio);
  CHECK(options.drives[1].index == 1);
  CHECK(options.drives[1].serial == "S2");
  CHECK(options.drives[1].boot_index == 3);
}

TEST_CASE("virtio options: drives on IDE and floppy have boot indices too") {
  const Options options = parsed({"-drive", "file=a,if=none,id=x", "-device", "ide-hd,drive=x,bootindex=7"});
  REQUIRE(!options.drives.empty());
  CHECK(options.drives[0].bus == Bus::Ide);
  CHECK(options.drives[0].boot_index == 7);
}

TEST_CASE("virtio options: a console goes where its chardev does; a card without one is there too") {
  const Options options =
      parsed({"-nodefaults", "-chardev", "file,id=c,path=out", "-device", "virtio-serial-pci", "-device",
              "virtconsole,chardev=c", "-device", "virtio-serial-pci", "-device", "virtio-rng-pci"});
  REQUIRE(options.virtio_consoles.size() == 2);
  CHECK(options.virtio_consoles[0].kind == Kind::File);
  CHECK(options.virtio_consoles[0].path == "out");
  CHECK(options.virtio_consoles[1].kind == Kind::Null);
  CHECK(options.virtio_rngs == 1);
}

TEST_CASE("virtio options: a console on the terminal takes the place of the serial port that goes without saying") {
  const std::vector<std::string> console = {"-nographic", "-chardev", "stdio,id=c", "-device", "virtio-serial", "-device", "virtconsole,chardev=c"};
  CHECK(parsed(console).serial.empty());
  CHECK(parsed({"-nographic"}).serial.size() == 1);
}

TEST_CASE("virtio options: what cannot be is refused in a line that names it") {
  CHECK(error_of({"-device", "virtconsole,chardev=c"}) == "-device: each virtconsole needs a -device virtio-serial-pci before it");
  CHECK(error_of({"-device", "virtio-serial-pci", "-device", "virtconsole,chardev=c"}) == "-device: there is no -chardev with id 'c'");
  CHECK(error_of({"-device", "virtio-blk-pci,drive=x"}) == "-device: there is no -drive if=none with id 'x'");
  CHECK(error_of({"-device", "virtio-rng-pci,colour=red"}) == "-device: virtio-rng-pci has no property 'colour'");
  CHECK(error_of({"-device", "virtio-rng-pci,disable-modern=on"}) == "-device: disable-modern=on: there is no other interface");
  CHECK(error_of({"-drive", "file=a,if=virtio,media=cdrom"}) == "-drive: if=virtio: there are hard disks only");
  CHECK(error_of({"-drive", "file=a,if=virtio,index=2", "-drive", "file=b,if=virtio,index=2"}).find("virtio disk 2 is taken by 'a'") !=
        std::string::npos);
  std::vector<std::string> many;
  for (unsigned i = 0; i < 30; ++i) many.insert(many.end(), {"-device", "virtio-rng-pci"});
  CHECK(error_of(many) == "-device: 30 virtio devices, but only 24 slots");
}

}  // namespace
}  // namespace doppel::frontend
