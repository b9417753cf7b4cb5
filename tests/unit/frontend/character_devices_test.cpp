// Character devices as their two ends see them: real sockets and terminals of this host.

#include "frontend/character/devices.h"

#include <csignal>
#include <cstdio>
#include <ctime>
#include <memory>
#include <string>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "frontend/character/stream.h"
#include "frontend/character/telnet.h"
#include "frontend/input_queue.h"

namespace doppel::frontend {
namespace {

std::string socket_path(const char* name) {
  return "/tmp/doppel_test_" + std::to_string(::getpid()) + "_" + name;
}

/// A machine's end that remembers.
class Listener final : public CharacterUser {
 public:
  void opened() override { ++openings; }
  void received(std::span<const u8> bytes) override { text.append(bytes.begin(), bytes.end()); }
  size_t room() const override { return wants; }
  void closed() override { ++closings; }
  bool needs_all() const override { return whole; }

  std::string text;
  size_t wants = 4096;
  bool whole = false;
  int openings = 0;
  int closings = 0;
};

/// Looks around until something holds; a busy host is given time.
template <class Question>
bool until(CharacterDevices& devices, Question&& holds) {
  for (int i = 0; i < 2000; ++i) {
    if (holds()) return true;
    devices.poll(5'000'000);
    devices.flush();
  }
  return false;
}

class Peer {
 public:
  explicit Peer(const std::string& path) : descriptor_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    connected = ::connect(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    ::fcntl(descriptor_, F_SETFL, O_NONBLOCK);
  }
  ~Peer() { ::close(descriptor_); }
  void send(std::string_view text) {
    CHECK(::send(descriptor_, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size()));
  }
  const std::string& receive() {
    char bytes[65536];
    for (ssize_t count; (count = ::recv(descriptor_, bytes, sizeof bytes, 0)) > 0;)
      received.append(bytes, static_cast<size_t>(count));
    return received;
  }
  bool connected = false;
  std::string received;

 private:
  int descriptor_;
};

CharacterTarget server(const std::string& path) {
  return parse_character_target("unix:" + path + ",server,nowait").take();
}

TEST_CASE("character_devices: a socket takes one peer, loses it, and takes the next") {
  const std::string path = socket_path("turns");
  CharacterDevices devices;
  Listener listener;
  CharacterDevice& device = *devices.open(server(path), "serial0").value();
  REQUIRE(devices.connect(device, server(path), listener));
  CHECK(devices.can_receive());
  CHECK(device.description() == "disconnected:unix:" + path + ",server=on");
  device.write_text("nobody hears this");
  CHECK(device.dropped() == 0);
  auto first = std::make_unique<Peer>(path);
  REQUIRE(first->connected);
  Peer second(path);  // Waits in front of the door.
  REQUIRE(second.connected);
  CHECK(until(devices, [&] { return listener.openings == 1; }));
  CHECK(device.description() == "unix:" + path + ",server=on");
  first->send("abc");
  second.send("xyz");
  CHECK(until(devices, [&] { return listener.text == "abc"; }));
  device.write_text("hello");
  CHECK(until(devices, [&] { return first->receive() == "hello"; }));
  first.reset();
  CHECK(until(devices, [&] { return listener.text == "abcxyz"; }));
  CHECK(listener.closings == 1);
  CHECK(listener.openings == 2);
}

TEST_CASE("character_devices: what a slow peer does not take is bounded, and counted") {
  const std::string path = socket_path("slow");
  CharacterDevices devices;
  Listener listener;
  CharacterDevice& device = *devices.open(server(path), "serial0").value();
  devices.connect(device, server(path), listener);
  Peer peer(path);
  REQUIRE(until(devices, [&] { return listener.openings == 1; }));
  constexpr size_t kWritten = 4 * StreamDevice::kMostWaiting;
  for (size_t i = 0; i < kWritten; ++i) {
    device.write('x');
    if (i % 65536 == 0) devices.flush();
  }
  CHECK(device.dropped() > 0);
  CHECK(until(devices, [&] { return peer.receive().size() + device.dropped() == kWritten; }));
  CHECK(device.connected());
  // A program would not understand the rest: it is sent away.
  listener.whole = true;
  for (size_t i = 0; i < kWritten; ++i) device.write('x');
  CHECK(until(devices, [&] { return listener.closings == 1; }));
}

TEST_CASE("character_devices: input waits outside while its user has no room for it") {
  const std::string path = socket_path("room");
  CharacterDevices devices;
  Listener listener;
  listener.wants = 0;
  CharacterDevice& device = *devices.open(server(path), "serial0").value();
  devices.connect(device, server(path), listener);
  Peer peer(path);
  REQUIRE(until(devices, [&] { return listener.openings == 1; }));
  peer.send("abc");
  for (int i = 0; i < 5; ++i) devices.poll(1'000'000);
  CHECK(listener.text.empty());
  listener.wants = 4096;
  CHECK(until(devices, [&] { return listener.text == "abc"; }));
}

TEST_CASE("character_devices: a socket's name is free again at the end, and a dead one is taken over") {
  const std::string path = socket_path("name");
  {
    CharacterDevices devices;
    REQUIRE(devices.open(server(path), "serial0").ok());
    CHECK(::access(path.c_str(), F_OK) == 0);
  }
  CHECK(::access(path.c_str(), F_OK) != 0);
  std::FILE* const file = std::fopen(path.c_str(), "w");  // Somebody's file is not ours to remove.
  REQUIRE(file != nullptr);
  std::fclose(file);
  CharacterDevices devices;
  const auto refused = devices.open(server(path), "serial0");
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().message.starts_with("unix:" + path));
  CHECK(::access(path.c_str(), F_OK) == 0);
  ::unlink(path.c_str());
}

TEST_CASE("character_devices: nobody to connect to is one line with the name") {
  CharacterDevices devices;
  const auto refused = devices.open(parse_character_target("unix:/nowhere/there").take(), "serial0");
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().message == "unix:/nowhere/there: No such file or directory");
  CHECK_FALSE(devices.open(parse_character_target("tcp:127.0.0.1:1").take(), "serial0").ok());
}

TEST_CASE("character_devices: Ctrl-A c switches between users, x asks for the end, twice is itself") {
  const std::string path = socket_path("mux");
  CharacterDevices devices;
  CharacterTarget target = server(path);
  target.monitor = true;
  bool quit = false;
  devices.set_quit([&quit] { quit = true; });
  CharacterDevice& device = *devices.open(target, "serial0").value();
  Listener guest;
  Listener monitor;
  REQUIRE(devices.connect(device, target, guest));
  REQUIRE(devices.connect(device, target, monitor));
  Peer peer(path);
  REQUIRE(until(devices, [&] { return guest.openings == 1; }));
  peer.send("a\x01\x01"
            "b\x01"
            "cdef\x01"
            "cg\x01h\x01x");
  CHECK(until(devices, [&] { return quit; }));
  CHECK(guest.text == "a\x01"
                      "bg");
  CHECK(monitor.text == "def");
  CHECK(monitor.openings == 1);
  CHECK(until(devices, [&] { return peer.receive().find("Ctrl-A h") != std::string::npos; }));
}

TEST_CASE("character_devices: a pseudo-terminal is opened, closed and opened again") {
  CharacterDevices devices;
  Listener listener;
  const CharacterTarget target = parse_character_target("pty").take();
  const auto opened = devices.open(target, "serial0");
  if (!opened.ok()) return;  // A host without /dev/pts.
  CharacterDevice& device = *opened.value();
  devices.connect(device, target, listener);
  const std::string name = device.description().substr(4);
  for (int i = 1; i <= 2; ++i) {
    const int terminal = ::open(name.c_str(), O_RDWR | O_NOCTTY | O_NONBLOCK);
    REQUIRE(terminal >= 0);
    CHECK(until(devices, [&] { return listener.openings == i; }));
    REQUIRE(::write(terminal, "\x03k\r", 3) == 3);  // Raw: Ctrl-C and return are bytes.
    CHECK(until(devices, [&] { return listener.text == "\x03k\r"; }));
    device.write_text("out\n");
    char bytes[16] = {};
    CHECK(until(devices, [&] { return ::read(terminal, bytes, sizeof bytes) == 4; }));
    CHECK(std::string(bytes) == "out\n");
    listener.text.clear();
    ::close(terminal);
    CHECK(until(devices, [&] { return listener.closings == i; }));
  }
}

TEST_CASE("telnet: commands are taken out of the text, however they are cut") {
  Telnet telnet;
  const std::vector<u8> came = {'a', 0xff, 0xfd, 0x01, 'b', 0xff, 0xff, 0xff, 0xfa, 24, 1, 0xff, 0xf0, '\r', 0, 'c', '\r', '\n'};
  std::vector<u8> text;
  for (const u8 byte : came) {
    for (const u8 out : telnet.text_of(std::span(&byte, 1))) text.push_back(out);
  }
  CHECK(text == std::vector<u8>{'a', 'b', 0xff, '\r', 'c', '\r'});
}

TEST_CASE("input_queue: room shrinks with what waits, and is whole in a replay") {
  InputQueue queue;
  const size_t whole = queue.room(InputQueue::Target::Serial0);
  const std::vector<u8> bytes(1000, 'x');
  queue.push(InputQueue::Target::Serial0, bytes);
  CHECK(queue.room(InputQueue::Target::Serial0) == whole - 1000);
  for (int i = 0; i < 100; ++i) queue.push(InputQueue::Target::Serial0, bytes);
  CHECK(queue.room(InputQueue::Target::Serial0) == 0);
  CHECK(queue.room(InputQueue::Target::Serial1) == whole);
}

}  // namespace
}  // namespace doppel::frontend
