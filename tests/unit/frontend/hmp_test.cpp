#include "frontend/monitor/hmp.h"

#include <cstdio>

#include <doctest/doctest.h>
#include <unistd.h>

#include "frontend/file.h"
#include "tests/support/fake_display.h"
#include "tests/unit/frontend/small_machine.h"

namespace doppel::frontend {
namespace {

std::string temporary(const char* name) {
  return "/tmp/doppel_test_" + std::to_string(::getpid()) + "_" + name;
}

std::string text_of(const std::string& path) {
  const std::vector<u8> bytes = read_file(path).take();
  return std::string(bytes.begin(), bytes.end());
}

/// A monitor at a machine that sleeps, with everything that enters it recorded.
class MonitorRig {
 public:
  explicit MonitorRig(devices::DisplaySource* display = nullptr)
      : machine({0xfb, 0xf4, 0xeb, 0xfd}),  // sti; again: hlt; jmp again
        loop(*machine, queue, characters_, config()),
        monitor(*machine, loop, queue, display) {
    REQUIRE(queue.record_to(path_).ok());
  }
  ~MonitorRig() { std::remove(path_.c_str()); }

  /// What entered the machine in its first second, without the heading.
  std::string entered() {
    loop.run();
    const std::string text = text_of(path_);
    return text.substr(text.find('\n') + 1);
  }
  std::string operator()(const std::string& line) { return monitor.execute(line); }

 private:
  static RunConfig config() {
    RunConfig config;
    config.timeout_virtual_ns = 1'000'000'000;
    config.flush_output = [] {};
    return config;
  }
  std::string path_ = temporary("monitor");

 public:
  SmallMachine machine;
  InputQueue queue;

 private:
  CharacterDevices characters_;

 public:
  RunLoop loop;
  Hmp monitor;
};

bool is_one_line(const std::string& answer) {
  return answer.size() > 1 && answer.find('\n') == answer.size() - 1;
}

TEST_CASE("hmp: sendkey holds the keys for 100 ms of virtual time, or as long as it is told") {
  MonitorRig monitor;
  CHECK(monitor("sendkey ctrl-alt-delete").empty());
  CHECK(monitor("sendkey a 250").empty());
  const std::string entered = monitor.entered();
  CHECK(entered.find(" 0 keyboard 1411e071\n") != std::string::npos);
  CHECK(entered.find(" 100000000 keyboard e0f071f011f014\n") != std::string::npos);
  CHECK(entered.find(" 350000000 keyboard 1c\n") != std::string::npos);
  CHECK(entered.find(" 600000000 keyboard f01c\n") != std::string::npos);
}

TEST_CASE("hmp: type types a text as it stands, with a few characters behind a backslash") {
  MonitorRig monitor;
  CHECK(monitor("type A  b\\n").empty());
  const std::string entered = monitor.entered();
  std::string bytes;
  for (size_t at = 0; (at = entered.find("keyboard ", at)) != std::string::npos; ++at)
    bytes += entered.substr(at + 9, entered.find('\n', at) - at - 9) + " ";
  CHECK(bytes == "121c f01cf012 29 f029 29 f029 32 f032 5a f05a ");
}

TEST_CASE("hmp: the mouse moves and its buttons stay down until they are told otherwise") {
  MonitorRig monitor;
  CHECK(monitor("mouse_button 4").empty());
  CHECK(monitor("mouse_move 10 -1 2").empty());
  CHECK(monitor("mouse_button 2").empty());
  CHECK(monitor("mouse_button 0").empty());
  CHECK(monitor.entered().find(" mouse 0000000000020a00ffff0202000000000004000000000000\n") !=
        std::string::npos);
}

TEST_CASE("hmp: the power button is pressed, and the reset button") {
  MonitorRig monitor;
  CHECK(monitor("system_powerdown").empty());
  CHECK(monitor("system_reset").empty());
  CHECK(monitor.queue.reset_pending());
  const std::string entered = monitor.entered();
  CHECK(entered.find(" power -\n") != std::string::npos);
  CHECK(entered.find(" reset -\n") != std::string::npos);
}

TEST_CASE("hmp: an argument that is wrong gets one line, and nothing enters the machine") {
  devices::FakeDisplay display(4, 4, 0);
  MonitorRig monitor(&display);
  const char* const wrong[] = {
      "sendkey",
      "sendkey hyper",
      "sendkey a-",
      "sendkey a 0",
      "sendkey a x",
      "sendkey a 3600001",
      "sendkey a 1 2",
      "type",
      "type \xc3\xa4",
      "type a\\q",
      "type a\\",
      "mouse_move",
      "mouse_move 1",
      "mouse_move 1 x",
      "mouse_move 1 40000",
      "mouse_move 1 1 200",
      "mouse_move 1 1 1 1",
      "mouse_button",
      "mouse_button 8",
      "mouse_button -1",
      "system_powerdown now",
      "system_reset now",
      "screendump",
      "screendump a b",
      "screendump /nowhere/there/a.png",
      "screentext a b",
      "screentext",
      "frobnicate",
  };
  for (const char* line : wrong) {
    CAPTURE(line);
    CHECK(is_one_line(monitor(line)));
  }
  CHECK(monitor.entered() == "");
}

TEST_CASE("hmp: a replay takes no input from the monitor") {
  const std::string path = temporary("replay");
  const std::string text = "doppel-input 2\nend\n";
  REQUIRE(write_file(path, text.data(), text.size()).ok());
  MonitorRig monitor;
  REQUIRE(monitor.queue.replay_from(path).ok());
  for (const char* line : {"sendkey a", "type a", "mouse_move 1 1", "mouse_button 1",
                           "system_powerdown", "system_reset"}) {
    CAPTURE(line);
    CHECK(monitor(line) == "a replay takes no input\n");
  }
  std::remove(path.c_str());
}

TEST_CASE("hmp: screendump writes the screen as PNG or PPM, by the name of the file") {
  devices::FakeDisplay display(2, 1, 0x123456);
  MonitorRig monitor(&display);
  const std::string png = temporary("screen.png");
  const std::string ppm = temporary("screen.ppm");
  CHECK(monitor("screendump " + png).empty());
  CHECK(monitor("screendump " + ppm).empty());
  CHECK(text_of(png).starts_with("\x89PNG"));
  CHECK(text_of(ppm) == "P6\n2 1\n255\n\x12\x34\x56\x12\x34\x56");
  std::remove(png.c_str());
  std::remove(ppm.c_str());
}

TEST_CASE("hmp: screentext gives the characters of a text screen, here or in a file") {
  devices::FakeDisplay display;
  display.write(4, 2, "ab  \xc9\xcd");
  MonitorRig monitor(&display);
  const std::string wanted = "ab\n\xe2\x95\x94\xe2\x95\x90\n";
  CHECK(monitor("screentext") == wanted);
  const std::string path = temporary("screen.txt");
  CHECK(monitor("screentext " + path).empty());
  CHECK(text_of(path) == wanted);
  std::remove(path.c_str());
}

TEST_CASE("hmp: without a graphics card there is no screen to dump") {
  MonitorRig monitor;
  CHECK(monitor("screendump x.png") == "there is no graphics card\n");
  CHECK(monitor("screentext") == "there is no graphics card\n");
}

TEST_CASE("hmp: help names every command that input and display have") {
  MonitorRig monitor;
  const std::string help = monitor("help");
  for (const char* command : {"sendkey", "type", "mouse_move", "mouse_button", "system_powerdown",
                              "system_reset", "screendump", "screentext", "nmi", "sum", "log"}) {
    CAPTURE(command);
    CHECK(help.find(std::string("\n") + command + " ") != std::string::npos);
  }
}

TEST_CASE("hmp: help with a name says only what belongs to it") {
  MonitorRig monitor;
  CHECK(monitor("help nmi") == "nmi                 a non-maskable interrupt\n");
  CHECK(monitor("help q").starts_with("quit, q "));
  CHECK(monitor("help p").starts_with("print/FMT, p/FMT "));
  CHECK(is_one_line(monitor("help frobnicate")));
}

TEST_CASE("hmp: print calculates as QEMU does, with registers") {
  MonitorRig monitor;
  monitor.machine->cpu().state.gpr[RAX] = 0x1'2345'6789;
  CHECK(monitor("print 1 + 2 * 3") == "0x7\n");
  CHECK(monitor("p/d (1 - 2) * 3") == "-3\n");
  CHECK(monitor("p /u 0x10 | 1 + 1") == "18\n");  // + is the weakest.
  CHECK(monitor("p ~0 & 0xff") == "0xff\n");
  CHECK(monitor("p $rax") == "0x123456789\n");
  CHECK(monitor("p $eax % 0x100") == "0x89\n");
  CHECK(monitor("p $pc") == "0x7c00\n");
  CHECK(monitor("p/c 'A'") == "'A'\n");
  for (const char* wrong : {"p", "p 1 +", "p (1", "p 1)", "p 1/0", "p $rxx", "p 08", "p 1 2", "p/i 1"}) {
    CAPTURE(wrong);
    CHECK(is_one_line(monitor(wrong)));
  }
  CHECK(is_one_line(monitor("p " + std::string(5000, '('))));
}

TEST_CASE("hmp: x and xp show memory in every form, at an address that may be calculated") {
  MonitorRig monitor;
  const std::string text = "Hi\x01";
  for (size_t i = 0; i <= text.size(); ++i)
    monitor.machine->memory().write(PhysAddr(0x1000 + i), Width::Byte, static_cast<u8>(text.c_str()[i]));
  CHECK(monitor("xp/2xb 0x1000") == "0000000000001000: 0x48 0x69\n");
  CHECK(monitor("xp /1dh 0x0ff0 + 0x10") == "0000000000001000: 26952\n");
  CHECK(monitor("xp/2c 0x1000") == "0000000000001000: 'H' 'i'\n");
  CHECK(monitor("x/s 0x1000") == "0000000000001000: \"Hi\\x01\"\n");
  CHECK(monitor("x/i $pc").find("sti") != std::string::npos);
  CHECK(monitor("gva2gpa 0x1234") == "gpa: 0x1234\n");
  CHECK(monitor("sum 0x1000 2") == "00141\n");  // 48h, turned to 24h, and 69h.
  CHECK(monitor("info mem") == "PG disabled\n");
}

TEST_CASE("hmp: memsave and pmemsave write what is there, and nothing where nothing is") {
  MonitorRig monitor;
  const std::string path = temporary("memory");
  CHECK(monitor("pmemsave 0x7c00 4 " + path).empty());
  CHECK(text_of(path) == "\xfb\xf4\xeb\xfd");
  CHECK(monitor("memsave $pc 2 " + path).empty());
  CHECK(text_of(path) == "\xfb\xf4");
  CHECK(is_one_line(monitor("pmemsave 0 0xffffffffffffffff " + path)));
  CHECK(is_one_line(monitor("memsave 0x90000000 0x1000 " + path)));
  CHECK(is_one_line(monitor("memsave 0 1 /nowhere/there")));
  CHECK(is_one_line(monitor("memsave 0 1")));
  std::remove(path.c_str());
}

TEST_CASE("hmp: an NMI enters through the recording") {
  MonitorRig monitor;
  CHECK(monitor("nmi").empty());
  CHECK(monitor.entered().find(" nmi -\n") != std::string::npos);
}

TEST_CASE("hmp: ports are left alone while a recording would not hear of it") {
  MonitorRig monitor;  // It records.
  CHECK(monitor("i/b 0x64") == "i: not while recording or replaying\n");
  CHECK(monitor("o/b 0x80 1") == "o: not while recording or replaying\n");
  CHECK(is_one_line(monitor("i/g 0x64")));
  CHECK(is_one_line(monitor("i")));
}

TEST_CASE("hmp: what the chips are at can be seen") {
  MonitorRig monitor;
  CHECK(monitor("info pic").find("pic1: irr=") != std::string::npos);
  CHECK(monitor("info pic").find("ioapic: id=0\n") != std::string::npos);
  CHECK(monitor("info irq").find(" 8: vector ") != std::string::npos);
  CHECK(monitor("info lapic").find("APIC") != std::string::npos);
  CHECK(monitor("info pci").find("Host bridge: PCI device 8086:1237") != std::string::npos);
  CHECK(monitor("info qtree").find("  dev: uart0\n") != std::string::npos);
  const std::string ranges = monitor("info mtree");
  CHECK(ranges.find("  0000000000000000-") != std::string::npos);
  CHECK(ranges.find("  00000000000003f8-00000000000003ff: uart0\n") != std::string::npos);
  CHECK(is_one_line(monitor("cpu 1")));
  CHECK(monitor("cpu 0").empty());
  CHECK(monitor("info cpus").starts_with("* CPU #0"));
  CHECK(monitor("info frobnicate").starts_with("there is no 'info frobnicate'\n"));
}

}  // namespace
}  // namespace doppel::frontend
