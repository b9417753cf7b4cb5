#include "frontend/character/devices.h"

#include <algorithm>
#include <ctime>

#include "frontend/character/files.h"
#include "frontend/character/page.h"
#include "frontend/character/pty.h"
#include "frontend/character/socket.h"

namespace doppel::frontend {
namespace {

using Kind = CharacterTarget::Kind;

constexpr i64 kVisitEvery = 100'000'000;
constexpr int kLastWordsMs = 500;

Result<std::unique_ptr<CharacterDevice>, Error> make(const CharacterTarget& target,
                                                     const std::string& label) {
  switch (target.kind) {
    case Kind::Stdio:
      return std::unique_ptr<CharacterDevice>(new StdioDevice(label));
    case Kind::File:
      return FileDevice::create(label, target);
    case Kind::Pty:
      return PtyDevice::create(label);
    case Kind::Tcp:
    case Kind::Unix:
      return SocketDevice::create(label, target);
    case Kind::Console:
      return std::unique_ptr<CharacterDevice>(new PageDevice(label));
    case Kind::Null:
      break;
  }
  return std::unique_ptr<CharacterDevice>(new NullDevice(label, describe(target)));
}

}  // namespace

Result<CharacterDevice*, Error> CharacterDevices::open(const CharacterTarget& target,
                                                       const std::string& label) {
  const std::string key = target.kind == Kind::Stdio ? "stdio" : target.id.empty() ? "" : "id:" + target.id;
  for (const Opened& earlier : opened_) {
    if (!key.empty() && earlier.key == key) return earlier.device;
  }
  DOPPEL_TRY(std::unique_ptr<CharacterDevice> device,
             make(target, target.id.empty() ? label : target.id));
  devices_.push_back(std::move(device));
  if (!key.empty()) opened_.push_back({key, devices_.back().get()});
  return devices_.back().get();
}

bool CharacterDevices::connect(CharacterDevice& device, const CharacterTarget& target,
                               CharacterUser& user) {
  for (const Shared& shared : shared_) {
    if (shared.device != &device) continue;
    shared.multiplexer->add(user);
    return true;
  }
  if (device.has_user()) return false;
  if (!target.monitor) {
    device.set_user(user);
    return true;
  }
  auto multiplexer = std::make_unique<Multiplexer>(device, [this] {
    if (quit_) quit_();
  });
  multiplexer->add(user);
  device.set_user(*multiplexer);
  shared_.push_back({&device, std::move(multiplexer)});
  return true;
}

void CharacterDevices::add_waits(std::vector<pollfd>& waits, i64& timeout_ns) const {
  for (const auto& device : devices_) {
    waits.push_back(device->wait());
    if (device->needs_visits() && (timeout_ns < 0 || timeout_ns > kVisitEvery))
      timeout_ns = kVisitEvery;
  }
}

bool CharacterDevices::act(std::span<const pollfd> waits) {
  bool any = false;
  for (size_t i = 0; i < waits.size(); ++i) {
    const bool active = devices_[i]->act(waits[i].revents);
    any = any || active;
  }
  return any;
}

bool CharacterDevices::poll(i64 timeout_ns) {
  std::vector<pollfd> waits;
  waits.reserve(devices_.size());
  add_waits(waits, timeout_ns);
  const timespec timeout = {static_cast<time_t>(timeout_ns / 1'000'000'000),
                            static_cast<long>(timeout_ns % 1'000'000'000)};
  const int ready =
      ::ppoll(waits.data(), waits.size(), timeout_ns < 0 ? nullptr : &timeout, nullptr);
  if (ready < 0) {
    for (pollfd& wait : waits) wait.revents = 0;  // A signal: nothing was looked at.
  }
  return act(waits);
}

bool CharacterDevices::can_receive() const {
  return std::any_of(devices_.begin(), devices_.end(),
                     [](const auto& device) { return device->can_receive(); });
}

void CharacterDevices::flush() {
  for (const auto& device : devices_) device->flush();
}

void CharacterDevices::finish() {
  flush();
  for (const auto& device : devices_) {
    if (device->drained()) continue;
    pollfd wait = device->wait();
    wait.events = POLLOUT;
    if (::poll(&wait, 1, kLastWordsMs) > 0) device->flush();
  }
}

}  // namespace doppel::frontend
