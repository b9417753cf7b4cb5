#pragma once

// What `-serial`, `-monitor`, `-chardev` and their like can name: somewhere that bytes go to and come
// from.
//
//     stdio   null   none   vc   file:NAME   pty   mon:ANY
//     tcp:[HOST]:PORT[,server][,nowait][,nodelay]     telnet:...     unix:PATH[,server][,nowait]
//
// `-chardev` says the same as a list of properties and gives it a name.

#include <string>
#include <string_view>

#include "cpu/base/result.h"
#include "cpu/base/types.h"

namespace doppel::frontend {

class PropertyList;

/// Where the bytes of a port go.
struct CharacterTarget {
  enum class Kind : u8 {
    Null,
    Stdio,
    File,
    Pty,
    Tcp,
    Unix,
    Console,  ///< `vc`: a page of the display, where the display has pages.
  };
  Kind kind = Kind::Null;
  std::string path;  ///< File, Unix.
  std::string host;  ///< Tcp; empty: every address of the host for a server, itself for a client.
  std::string port;
  bool server = false;
  bool wait = false;     ///< A server: the machine starts when somebody is there.
  bool telnet = false;   ///< The peer speaks telnet.
  bool append = false;   ///< File: what is there stays.
  bool monitor = false;  ///< Shared with the monitor, switched by Ctrl-A.
  std::string id;        ///< The name that -chardev gave it: two that have the same are one.
  bool operator==(const CharacterTarget&) const = default;
};

/// What an option names, `chardev:ID` left out. @errors what is wrong with it
Result<CharacterTarget, Error> parse_character_target(std::string_view text);
/// What `-chardev BACKEND,...` says; takes all properties that the backend has.
Result<CharacterTarget, Error> take_chardev(const std::string& backend, PropertyList& list);
/// As the monitor's lists show it: "tcp:localhost:4444,server=on".
std::string describe(const CharacterTarget& target);

}  // namespace doppel::frontend
