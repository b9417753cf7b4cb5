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
      : machine_({0xfb, 0xf4, 0xeb, 0xfd}),  // sti; again: hlt; jmp again
        output_(FileSink::standard_output()),
        console_({}, queue, *output_),
        loop(*machine_, queue, console_, config()),
        monitor(*machine_, loop, queue, display) {
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
  SmallMachine machine_;
  std::unique_ptr<FileSink> output_;

 public:
  InputQueue queue;

 private:
  Console console_;

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
                              "system_reset", "screendump", "screentext"}) {
    CAPTURE(command);
    CHECK(help.find(std::string("\n") + command + " ") != std::string::npos);
  }
}

}  // namespace
}  // namespace doppel::frontend
