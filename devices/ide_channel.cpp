#include "devices/ide_channel.h"

#include <utility>

namespace doppel::devices {

using namespace ata;

IdeChannel::IdeChannel(const std::string& name, Scheduler& scheduler, IrqLine& irq,
                       IdeBusMaster& master)
    : scheduler_(scheduler),
      irq_(irq),
      master_(master),
      command_ports_(*this),
      control_port_(*this, &IdeChannel::read_control, &IdeChannel::write_control) {
  for (unsigned unit = 0; unit < kDrives; ++unit) {
    events_[unit] = scheduler.add(name + ".drive" + std::to_string(unit), [this, unit] {
      if (drives_[unit]) drives_[unit]->delay_over();
    });
  }
}

void IdeChannel::attach(unsigned unit, std::unique_ptr<IdeDrive> drive) {
  if (drive) drive->plug(*this, unit % kDrives);
  drives_[unit % kDrives] = std::move(drive);
}

// --- What drives ask of the cable ---

void IdeChannel::call_back(unsigned unit, u64 delay_ns) {
  scheduler_.schedule(events_[unit], scheduler_.now_ns() + delay_ns);
}

void IdeChannel::cancel_call(unsigned unit) { scheduler_.cancel(events_[unit]); }

/// Only the selected drive drives INTRQ, and only while nIEN is clear.
void IdeChannel::interrupt_changed() {
  const IdeDrive* drive = selected();
  const bool level = drive != nullptr && drive->interrupt() && (control_ & kNien) == 0;
  if (level && !line_) master_.interrupt_rose();
  line_ = level;
  irq_.set(level);
}

void IdeChannel::service_dma() {
  IdeDrive* drive = selected();
  // A drive follows each piece with a delay, so this ends after one of them.
  while (drive != nullptr && master_.serves(drive->dma_wish())) {
    drive->dma_moved(master_.move(drive->dma_wish(), drive->dma_piece()));
  }
}

// --- Ports ---

u64 IdeChannel::CommandPorts::read(u64 offset, Width width) {
  if (offset == kData && channel_.decoded_) [[likely]] {
    IdeDrive* drive = channel_.selected();
    return drive != nullptr ? drive->read_data(width) : 0;
  }
  u64 value = 0;
  for (unsigned i = 0; i < bytes(width); ++i) {
    const u8 byte = channel_.read_register(static_cast<unsigned>(offset) + i);
    value |= u64{byte} << (8 * i);
  }
  return value;
}

void IdeChannel::CommandPorts::write(u64 offset, Width width, u64 value) {
  if (!channel_.decoded_) return;
  if (offset == kData) {
    if (IdeDrive* drive = channel_.selected()) drive->write_data(width, value);
    return;
  }
  for (unsigned i = 0; i < bytes(width); ++i) {
    channel_.write_register(static_cast<unsigned>(offset) + i, static_cast<u8>(value >> (8 * i)));
  }
}

u8 IdeChannel::read_register(unsigned index) {
  if (!decoded_) return 0xff;
  IdeDrive* drive = selected();
  if (drive == nullptr) return 0;
  if (index != kStatusCommand) return drive->read_register(index, (control_ & kHob) != 0);
  const u8 status = drive->status();
  drive->acknowledge_interrupt();
  return status;
}

void IdeChannel::write_register(unsigned index, u8 value) {
  control_ &= static_cast<u8>(~kHob);
  if (index == kStatusCommand) {
    write_command(value);
    return;
  }
  for (auto& drive : drives_) {
    if (drive) drive->write_register(index, value);
  }
  if (index != kDevice) return;
  selected_ = (value & kDeviceSelect) != 0 ? 1 : 0;
  interrupt_changed();
  service_dma();
}

void IdeChannel::write_command(u8 code) {
  IdeDrive* drive = selected();
  if (drive == nullptr || (control_ & kSrst) != 0) return;
  if (code != kExecuteDeviceDiagnostic) {
    drive->command(code);
    return;
  }
  // The one command that both drives carry out, whichever is selected. Drive 0 reports.
  if ((drive->status() & (kBsy | kDrq)) != 0) return;
  selected_ = 0;
  for (unsigned unit = 0; unit < kDrives; ++unit) {
    if (!drives_[unit]) continue;
    drives_[unit]->begin_reset();
    drives_[unit]->end_reset(unit == 0 ? IdeDrive::AfterReset::Interrupt
                                       : IdeDrive::AfterReset::Quiet);
  }
}

u8 IdeChannel::read_control(unsigned) {
  if (!decoded_) return 0xff;
  const IdeDrive* drive = selected();
  return drive != nullptr ? drive->status() : 0;
}

void IdeChannel::write_control(unsigned offset, u8 value) {
  if (!decoded_ || offset != 0) return;
  const bool was_resetting = (control_ & kSrst) != 0;
  const bool is_resetting = (value & kSrst) != 0;
  control_ = value;
  if (is_resetting && !was_resetting) selected_ = 0;
  for (auto& drive : drives_) {
    if (!drive) continue;
    if (is_resetting && !was_resetting) drive->begin_reset();
    if (!is_resetting && was_resetting) drive->end_reset(IdeDrive::AfterReset::Quiet);
  }
  interrupt_changed();
}

// --- Reset and saved state ---

void IdeChannel::reset() {
  selected_ = 0;
  control_ = 0;
  for (auto& drive : drives_) {
    if (drive) drive->power_on();
  }
  interrupt_changed();
}

void IdeChannel::serialize(Archive& archive) {
  archive(selected_, control_, line_);
  if (selected_ >= kDrives) {
    archive.fail("an IDE channel has selected a drive beyond the second");
    selected_ = 0;
  }
  for (auto& drive : drives_) {
    const bool is_there = drive != nullptr;
    bool was_there = is_there;
    archive(was_there);
    if (was_there != is_there) {
      archive.fail("the saved machine has other IDE drives");
      return;
    }
    if (drive) drive->serialize(archive);
  }
}

}  // namespace doppel::devices
