#include <doctest/doctest.h>

#include "frontend/network/network_text.h"
#include "frontend/options.h"

namespace doppel::frontend {
namespace {

std::string error_of(const std::vector<std::string>& arguments) {
  const auto parsed = parse_options(arguments);
  return parsed.ok() ? "" : parsed.error().message;
}

Options options_of(const std::vector<std::string>& arguments) {
  auto parsed = parse_options(arguments);
  REQUIRE(parsed.ok());
  return parsed.take();
}

TEST_CASE("network options: a machine with firmware has a card by itself, unless told otherwise") {
  const Options plain = options_of({"-m", "64"});
  REQUIRE(plain.nics.size() == 1);
  CHECK(plain.nics[0].model == "e1000");
  REQUIRE(plain.nics[0].network.has_value());
  CHECK(format_mac(*plain.nics[0].mac) == "52:54:00:12:34:56");
  CHECK(format_ipv4(plain.nics[0].network->host) == "10.0.2.2");
  for (const std::vector<std::string>& without :
       {std::vector<std::string>{"-nodefaults"}, {"-nic", "none"}, {"-net", "none"}, {"-kernel", "vmlinuz"}}) {
    CHECK(options_of(without).nics.empty());
  }
}

TEST_CASE("network options: -device hangs on the -netdev that it names, or on nothing") {
  const Options options = options_of({"-nodefaults", "-device", "e1000,netdev=n,mac=52:54:00:aa:bb:cc", "-device",
                                      "e1000,romfile=", "-netdev", "user,id=n,net=192.168.7.0/24,restrict=on"});
  REQUIRE(options.nics.size() == 2);
  CHECK(format_mac(*options.nics[0].mac) == "52:54:00:aa:bb:cc");
  REQUIRE(options.nics[0].network.has_value());
  CHECK(options.nics[0].network->restricted);
  CHECK(format_ipv4(options.nics[0].network->host) == "192.168.7.2");
  CHECK(format_ipv4(options.nics[0].network->dhcp_start) == "192.168.7.15");
  CHECK_FALSE(options.nics[1].network.has_value());
  CHECK(options.nics[1].rom_file == std::string());
  CHECK(format_mac(*options.nics[1].mac) == "52:54:00:12:34:57");
}

TEST_CASE("network options: -nic and -net say card and network at once") {
  const Options nic = options_of({"-nic", "user,model=e1000,hostfwd=tcp::2222-:22,hostfwd=udp:127.0.0.1:53-10.0.2.9:53"});
  REQUIRE(nic.nics.size() == 1);
  REQUIRE(nic.nics[0].network->forwards.size() == 2);
  CHECK(format_forward(nic.nics[0].network->forwards[0]) == "tcp::2222-:22");
  CHECK(format_forward(nic.nics[0].network->forwards[1]) == "udp:127.0.0.1:53-10.0.2.9:53");
  const Options net = options_of({"-net", "nic,model=e1000,macaddr=52:54:00:00:00:09", "-net", "user,hostname=guest"});
  REQUIRE(net.nics.size() == 1);
  CHECK(net.nics[0].network->host_name == "guest");
  CHECK((*net.nics[0].mac)[5] == 9);
}

TEST_CASE("network options: what cannot be is refused with its name") {
  const std::pair<std::vector<std::string>, const char*> refused[] = {
      {{"-netdev", "tap,id=n"}, "tap"},
      {{"-netdev", "user"}, "id"},
      {{"-netdev", "user,id=n", "-netdev", "user,id=n"}, "twice"},
      {{"-netdev", "user,id=n,frob=1"}, "frob"},
      {{"-netdev", "user,id=n,net=10.0.2.0/31"}, "net="},
      {{"-netdev", "user,id=n,net=10.0.2"}, "net="},
      {{"-netdev", "user,id=n,dhcpstart=10.0.3.1"}, "dhcpstart"},
      {{"-netdev", "user,id=n,host=10.0.2.3"}, "10.0.2.3"},
      {{"-netdev", "user,id=n,restrict=maybe"}, "maybe"},
      {{"-netdev", "user,id=n,ipv6=on"}, "ipv6"},
      {{"-netdev", "user,id=n,hostfwd=tcp::0-:22"}, "tcp::0-:22"},
      {{"-netdev", "user,id=n,hostfwd=sctp::1-:2"}, "sctp"},
      {{"-netdev", "user,id=n,hostfwd=tcp::70000-:22"}, "70000"},
      {{"-nic", "user,model=ne2000"}, "ne2000"},
      {{"-nic", "user,mac=01:00:00:00:00:00"}, "mac="},
      {{"-nic", "user,mac=52:54:00:12:34"}, "mac="},
      {{"-nic", "tap"}, "tap"},
      {{"-net", "user"}, "-net nic"},
      {{"-device", "e1000,netdev=x"}, "'x'"},
      {{"-device", "e1000,frob=x"}, "frob"},
      {{"-netdev", "user,id=n", "-device", "e1000,netdev=n", "-device", "e1000,netdev=n"}, "'n'"},
      {{"-nic", "user", "-nic", "user", "-nic", "user", "-nic", "user", "-nic", "user"}, "4"},
  };
  for (const auto& [arguments, word] : refused) {
    CAPTURE(arguments.back());
    CHECK(error_of(arguments).find(word) != std::string::npos);
  }
}

TEST_CASE("network text: addresses are whole, and nothing else is one") {
  CHECK(parse_ipv4("10.0.2.15") == Ipv4{0x0a00'020f});
  CHECK(parse_ipv4("255.255.255.255") == ~Ipv4{0});
  for (const char* const text : {"", "10.0.2", "10.0.2.", "10.0.2.256", "10.0.2.1.5", "10.0.2.-1", "0x0a.0.2.1", "10..2.1"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_ipv4(text).has_value());
  }
  CHECK(parse_mac("52-54-0-12-34-56").has_value());
  for (const char* const text : {"", "52:54:00:12:34", "52:54:00:12:34:56:78", "52:54:00:12:34:5g", "152:54:00:12:34:56"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_mac(text).has_value());
  }
}

}  // namespace
}  // namespace doppel::frontend
