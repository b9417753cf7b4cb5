#include <doctest/doctest.h>

#include "frontend/option_values.h"
#include "frontend/options.h"

namespace doppel::frontend {
namespace {

std::string error_of(const std::vector<std::string>& arguments) {
  const auto parsed = parse_options(arguments);
  return parsed.ok() ? "" : parsed.error().message;
}

TEST_CASE("options: one dash and two are the same, and a value may be joined by =") {
  for (const auto& arguments : std::vector<std::vector<std::string>>{
           {"-m", "512"}, {"--m", "512"}, {"-m=512"}, {"-m", "size=512M"}}) {
    const auto parsed = parse_options(arguments);
    REQUIRE(parsed.ok());
    CHECK(parsed.value().ram_bytes == u64{512} << 20);
  }
}

TEST_CASE("options: what is unknown or malformed is refused by name") {
  CHECK(error_of({"-frob"}).find("-frob") != std::string::npos);
  CHECK(error_of({"-m"}).find("-m") != std::string::npos);
  CHECK(error_of({"-m", "12x"}).find("12x") != std::string::npos);
  CHECK(error_of({"-m", "0"}) != "");
  CHECK(error_of({"-smp", "4"}).find("one processor") != std::string::npos);
  CHECK(error_of({"-accel", "kvm"}).find("kvm") != std::string::npos);
  CHECK(error_of({"-device", "ne2000"}).find("ne2000") != std::string::npos);
  CHECK(error_of({"-device", "isa-debug-exit,iobase=0x12345"}).find("iobase") != std::string::npos);
  CHECK(error_of({"-serial", "braille"}).find("braille") != std::string::npos);
  CHECK(error_of({"-serial", "chardev:x"}).find("x") != std::string::npos);
  CHECK(error_of({"-d", "everything"}).find("everything") != std::string::npos);
  CHECK(error_of({"-nographic=yes"}) != "");
  CHECK(error_of({"-initrd", "x"}).find("-kernel") != std::string::npos);
  CHECK(error_of({"--engine", "tcg"}).find("lockstep") != std::string::npos);
  CHECK(error_of({"--mmu", "soft"}).find("nested") != std::string::npos);
  CHECK(error_of({"--jit-cache", "1"}) == "");
  CHECK(error_of({"--jit-cache", "2G"}).find("1G") != std::string::npos);
  CHECK(error_of({"--jit-threshold", "x"}) != "");
  CHECK(error_of({"--lockstep-interval", "0"}) != "");
  CHECK(error_of({"--state-save", "file"}).find("FILE@TIME") != std::string::npos);
}

TEST_CASE(
    "options: -nographic puts COM1 and the monitor on the terminal, unless a port was given") {
  const auto plain = parse_options({"-nographic"});
  REQUIRE(plain.ok());
  REQUIRE(plain.value().serial.size() == 1);
  CHECK(plain.value().serial[0].kind == CharacterTarget::Kind::Stdio);
  CHECK(plain.value().serial[0].monitor);

  const auto given = parse_options({"-nographic", "-serial", "file:out"});
  REQUIRE(given.ok());
  REQUIRE(given.value().serial.size() == 1);
  CHECK(given.value().serial[0].kind == CharacterTarget::Kind::File);
  CHECK(given.value().serial[0].path == "out");

  const auto none = parse_options({"-display", "none"});
  REQUIRE(none.ok());
  CHECK(none.value().serial.empty());
}

TEST_CASE("options: a monitor elsewhere leaves the terminal to COM1, one on the terminal takes it") {
  const auto shared = parse_options({"-nographic"});
  REQUIRE(shared.value().monitors.size() == 1);
  CHECK_FALSE(shared.value().monitors[0].for_programs);
  CHECK(shared.value().monitors[0].target == shared.value().serial[0]);

  const auto elsewhere = parse_options({"-nographic", "-monitor", "unix:a,server,nowait"});
  REQUIRE(elsewhere.ok());
  CHECK(elsewhere.value().serial[0].kind == CharacterTarget::Kind::Stdio);
  CHECK_FALSE(elsewhere.value().serial[0].monitor);
  REQUIRE(elsewhere.value().monitors.size() == 1);

  const auto programs = parse_options({"-nographic", "-qmp", "stdio"});
  REQUIRE(programs.ok());
  CHECK(programs.value().serial[0].kind == CharacterTarget::Kind::Null);
  CHECK(programs.value().monitors[0].for_programs);

  const auto none = parse_options({"-nographic", "-monitor", "none"});
  CHECK(none.value().monitors.empty());
  CHECK_FALSE(none.value().serial[0].monitor);
}

TEST_CASE("options: -mon names a chardev, and a shared one gets its monitor once") {
  const auto parsed = parse_options({"-chardev", "socket,id=a,path=s,server=on,wait=off,mux=on", "-serial", "chardev:a",
                                     "-mon", "chardev=a", "-mon", "b,mode=control", "-chardev", "pty,id=b"});
  REQUIRE(parsed.ok());
  REQUIRE(parsed.value().monitors.size() == 2);
  CHECK_FALSE(parsed.value().monitors[0].for_programs);
  CHECK(parsed.value().monitors[1].for_programs);
  CHECK(parsed.value().monitors[1].target.kind == CharacterTarget::Kind::Pty);
  CHECK(error_of({"-mon", "chardev=c"}).find("'c'") != std::string::npos);
  CHECK(error_of({"-mon", "chardev=c,mode=x"}).find("mode=x") != std::string::npos);
  CHECK(error_of({"-mon", "mode=control"}).find("chardev") != std::string::npos);
}

TEST_CASE("options: the terminal has one owner") {
  CHECK(error_of({"-nodefaults", "-serial", "stdio", "-monitor", "stdio"}).find("mon:stdio") != std::string::npos);
  CHECK(error_of({"-display", "curses", "-serial", "stdio"}).find("curses") != std::string::npos);
  CHECK(error_of({"-display", "curses", "-qmp", "stdio"}).find("curses") != std::string::npos);
  CHECK(error_of({"-daemonize", "-serial", "mon:stdio"}).find("-daemonize") != std::string::npos);
  CHECK(error_of({"-daemonize", "-display", "curses"}).find("-daemonize") != std::string::npos);
  const auto curses = parse_options({"-display", "curses"});
  REQUIRE(curses.ok());
  CHECK(curses.value().serial[0].kind == CharacterTarget::Kind::Console);
  CHECK(curses.value().monitors[0].target.kind == CharacterTarget::Kind::Console);
}

TEST_CASE("options: names, and what a run does at its ends") {
  const auto parsed = parse_options({"-name", "guest=a,debug-threads=on", "-uuid", "00112233-4455-6677-8899-AABBCCDDEEFF",
                                     "-action", "reboot=shutdown,shutdown=pause,panic=none"});
  REQUIRE(parsed.ok());
  CHECK(parsed.value().name == "a");
  CHECK(parsed.value().uuid == "00112233-4455-6677-8899-aabbccddeeff");
  CHECK(parsed.value().no_reboot);
  CHECK(parsed.value().no_shutdown);
  CHECK(error_of({"-uuid", "1234"}).find("1234") != std::string::npos);
  CHECK(error_of({"-action", "reboot=never"}).find("reboot=never") != std::string::npos);
  CHECK(error_of({"-action", "panic=run"}).find("panic=run") != std::string::npos);
  CHECK(error_of({"-name", "a,colour=red"}).find("colour") != std::string::npos);
}

TEST_CASE("options: a chardev may be named before it is defined") {
  const auto parsed = parse_options(
      {"-device", "isa-debugcon,iobase=0x402,chardev=log", "-chardev", "file,id=log,path=fw.log"});
  REQUIRE(parsed.ok());
  REQUIRE(parsed.value().debug_consoles.size() == 1);
  CHECK(parsed.value().debug_consoles[0].port == 0x402);
  CHECK(parsed.value().debug_consoles[0].target.path == "fw.log");
}

TEST_CASE("options: debug exit, loader and fw_cfg take their properties") {
  const auto parsed =
      parse_options({"-device", "isa-debug-exit,iobase=0xf4,iosize=0x04", "-device",
                     "loader,file=a.bin,addr=0x100000,cpu-num=0", "-fw_cfg", "opt/x,string=hello"});
  REQUIRE(parsed.ok());
  REQUIRE(parsed.value().debug_exit.has_value());
  CHECK(parsed.value().debug_exit->base == 0xf4);
  CHECK(parsed.value().debug_exit->size == 4);
  REQUIRE(parsed.value().loaded_files.size() == 1);
  CHECK(parsed.value().loaded_files[0].address == 0x100000);
  CHECK(parsed.value().loaded_files[0].starts);
  REQUIRE(parsed.value().fw_cfg_items.size() == 1);
  CHECK(parsed.value().fw_cfg_items[0].bytes.size() == 5);
}

TEST_CASE("options: the calendar clock starts on the same day for everybody, or when asked to") {
  const auto plain = parse_options({});
  REQUIRE(plain.ok());
  CHECK(plain.value().rtc_start == 1'704'067'200);
  const auto given = parse_options({"-rtc", "base=2000-02-29T12:00:00,clock=vm"});
  REQUIRE(given.ok());
  CHECK(given.value().rtc_start == 951'825'600);
  CHECK(error_of({"-rtc", "base=2001-02-29"}) != "");
}

TEST_CASE("options: -accel is accepted and said once") {
  const auto parsed = parse_options({"-accel", "tcg,thread=single", "-machine", "pc,accel=tcg"});
  REQUIRE(parsed.ok());
  CHECK(parsed.value().notes.size() == 1);
}

TEST_CASE("option_values: sizes and durations know their units") {
  CHECK(parse_size("1.5G", 1) == u64{1536} << 20);
  CHECK(parse_size("64", 1024) == 65536);
  CHECK_FALSE(parse_size("64Q", 1).has_value());
  CHECK_FALSE(parse_size("-1", 1).has_value());
  CHECK_FALSE(parse_size("1e30", 1).has_value());
  CHECK(parse_duration_ns("1.5s") == 1'500'000'000);
  CHECK(parse_duration_ns("20ms") == 20'000'000);
  CHECK(parse_duration_ns("2") == 2'000'000'000);
  CHECK_FALSE(parse_duration_ns("2 s").has_value());
  CHECK_FALSE(parse_duration_ns("").has_value());
}

TEST_CASE("option_values: a doubled comma is a comma") {
  CHECK(split_commas("a,,b,c") == std::vector<std::string>{"a,b", "c"});
  PropertyList list("file,path=x,,y,mux", "backend");
  CHECK(list.take("backend") == "file");
  CHECK(list.take("path") == "x,y");
  CHECK(list.leftover() == "mux");
}

TEST_CASE("options: there is a window unless -nographic or -display none") {
  using Display = Options::Display;
  CHECK(parse_options({}).value().display == Display::Auto);
  CHECK(parse_options({"-display", "none"}).value().display == Display::None);
  CHECK(parse_options({"-nographic"}).value().display == Display::None);
  CHECK(parse_options({"-display", "sdl", "-nographic"}).value().display == Display::None);
  const auto parsed = parse_options({"-display", "sdl,gl=off,grab-mod=rctrl", "-full-screen"});
  REQUIRE(parsed.ok());
  CHECK(parsed.value().display == Display::Sdl);
  CHECK(parsed.value().front_keys == FrontKeys::RightCtrl);
  CHECK(parsed.value().full_screen);
  CHECK(error_of({"-display", "gtk"}).find("gtk") != std::string::npos);
  CHECK(error_of({"-display", "sdl,grab-mod=lalt"}).find("grab-mod") != std::string::npos);
  CHECK(error_of({"-display", "sdl,gl=maybe"}).find("gl") != std::string::npos);
  CHECK(error_of({"-display", "sdl,frob=on"}).find("frob") != std::string::npos);
}

TEST_CASE("options: there is a graphics card unless -vga none or -nodefaults") {
  using Vga = Options::Vga;
  CHECK(parse_options({}).value().vga == Vga::Std);
  CHECK(parse_options({"-vga", "none"}).value().vga == Vga::None);
  CHECK(parse_options({"-nodefaults"}).value().vga == Vga::None);
  CHECK(parse_options({"-nodefaults", "-vga", "std"}).value().vga == Vga::Std);
  CHECK(error_of({"-vga", "cirrus"}).find("cirrus") != std::string::npos);
  CHECK(error_of({"-vga", "none", "-display", "sdl"}).find("graphics card") != std::string::npos);
}

}  // namespace
}  // namespace doppel::frontend
