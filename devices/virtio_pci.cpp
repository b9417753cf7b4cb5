#include "devices/virtio_pci.h"

#include <algorithm>
#include <utility>

#include "cpu/base/bits.h"

namespace doppel::devices {

using Part = VirtioQueue::Part;

namespace {

// Where the capabilities are; each names the next.
constexpr unsigned kCapabilityPointer = 0x34;
constexpr unsigned kCommonCapability = 0x40;
constexpr unsigned kNotifyCapability = 0x50;
constexpr unsigned kIsrCapability = 0x64;
constexpr unsigned kDeviceCapability = 0x74;
constexpr unsigned kWindowCapability = 0x84;
constexpr unsigned kMsixCapability = 0x98;

// "Virtio Structure PCI Capabilities" (4.1.4).
constexpr u8 kVendorSpecific = 0x09;
enum StructureType : u8 { kCommonType = 1, kNotifyType, kIsrType, kDeviceType, kWindowType };
constexpr unsigned kCapabilityBytes = 16;
constexpr unsigned kWindowBar = kWindowCapability + 4;
constexpr unsigned kWindowOffset = kWindowCapability + 8;
constexpr unsigned kWindowLength = kWindowCapability + 12;
constexpr unsigned kWindowData = kWindowCapability + 16;

// MSI-X. @source  PCI Local Bus Specification 3.0, "MSI-X Capability and Table Structures"
constexpr u8 kMsix = 0x11;
constexpr unsigned kMsixControl = kMsixCapability + 2;
constexpr u16 kMsixMask = 1u << 14;
constexpr u16 kMsixEnable = 1u << 15;

// Of the status register.
constexpr unsigned kInterruptStatus = 3;  // A bit's number.
constexpr u16 kHasCapabilities = 1u << 4;

// "Common configuration structure layout" (4.1.4.3).
constexpr u64 kCommonBytes = 0x38;
enum Common : u64 {
  kDeviceFeatureSelect = 0x00,
  kDeviceFeature = 0x04,
  kDriverFeatureSelect = 0x08,
  kDriverFeature = 0x0c,
  kConfigVector = 0x10,  // 16 bits; then the number of queues.
  kStatus = 0x14,        // 8 bits; then the configuration's generation, which never changes.
  kQueueSelect = 0x16,
  kQueueSize = 0x18,
  kQueueVector = 0x1a,
  kQueueEnable = 0x1c,  // 16 bits; then the queue's place among the notifications.
  kQueueDescriptors = 0x20,
  kQueueDriverRing = 0x28,
  kQueueDeviceRing = 0x30,
};

PciFunction::Identity identity(const VirtioDevice& device) {
  return {.vendor = VirtioPci::kVendor,
          .device = static_cast<u16>(VirtioPci::kFirstDevice + device.kind().id),
          .revision = 1,
          .class_code = device.kind().class_code,
          .subsystem_vendor = VirtioPci::kVendor,
          .subsystem = 0x1100,
          .interrupt_pin = 1};
}

constexpr Part part_at(u64 offset) { return static_cast<Part>((offset - kQueueDescriptors) / 8); }
constexpr bool is_upper_half(u64 offset) { return offset % 8 != 0; }

}  // namespace

VirtioPci::VirtioPci(std::string name, std::unique_ptr<VirtioDevice> device, const Bus& bus)
    : PciFunction(std::move(name), identity(*device)),
      device_(std::move(device)),
      inta_(bus.inta),
      msix_(bus.messages, device_->queues() + 1),
      registers_(*this),
      queue_vectors_(device_->queues(), kNoVector) {
  define_capabilities();
  add_bar(kMsixBar, BarKind::Memory32, Msix::kWindowSize, bus.mmio, msix_);
  add_bar(kRegisterBar, BarKind::Memory64, kRegisterBytes, bus.mmio, registers_, true);
  device_->connect(*this);
}

void VirtioPci::define_capabilities() {
  const auto dword = [this](unsigned offset, u32 value) {
    define_word(offset, static_cast<u16>(value), 0);
    define_word(offset + 2, static_cast<u16>(value >> 16), 0);
  };
  struct Structure {
    unsigned at;
    unsigned next;
    StructureType type;
    unsigned extra_bytes;
    u64 offset;
    u64 length;
  };
  const Structure structures[] = {
      {kCommonCapability, kNotifyCapability, kCommonType, 0, kCommon, kCommonBytes},
      {kNotifyCapability, kIsrCapability, kNotifyType, 4, kNotify, kNotifyStep * device_->queues()},
      {kIsrCapability, kDeviceCapability, kIsrType, 0, kIsr, 1},
      {kDeviceCapability, kWindowCapability, kDeviceType, 0, kDevice, kRegion},
      {kWindowCapability, kMsixCapability, kWindowType, 4, 0, 0},
  };
  define_word(pci_config::kStatus, kHasCapabilities, 0);
  define_byte(kCapabilityPointer, kCommonCapability, 0);
  for (const Structure& structure : structures) {
    define_byte(structure.at, kVendorSpecific, 0);
    define_byte(structure.at + 1, static_cast<u8>(structure.next), 0);
    define_byte(structure.at + 2, static_cast<u8>(kCapabilityBytes + structure.extra_bytes), 0);
    define_byte(structure.at + 3, structure.type, 0);
    define_byte(structure.at + 4, kRegisterBar, 0);
    dword(structure.at + 8, static_cast<u32>(structure.offset));
    dword(structure.at + 12, static_cast<u32>(structure.length));
  }
  dword(kNotifyCapability + kCapabilityBytes, kNotifyStep);
  // The window is the driver's to move.
  define_byte(kWindowBar, 0, 0xff);
  for (unsigned i = 0; i < 12; ++i) define_byte(kWindowOffset + i, 0, 0xff);

  define_byte(kMsixCapability, kMsix, 0);
  define_byte(kMsixCapability + 1, 0, 0);
  define_word(kMsixControl, static_cast<u16>(msix_.vectors() - 1), kMsixMask | kMsixEnable);
  dword(kMsixCapability + 4, Msix::kTable | kMsixBar);
  dword(kMsixCapability + 8, Msix::kPending | kMsixBar);
}

// --- Interrupts --------------------------------------------------------------------------------

void VirtioPci::interrupt(u16 vector, u8 cause) {
  if (msix_.enabled()) {
    msix_.raise(vector);
    return;
  }
  isr_ |= cause;
  drive_inta();
}

void VirtioPci::queue_interrupt(unsigned queue) {
  interrupt(queue_vectors_[queue], kQueueInterrupt);
}

void VirtioPci::config_interrupt() { interrupt(config_vector_, kConfigInterrupt); }

bool VirtioPci::may_use_memory() const { return master_; }

void VirtioPci::drive_inta() {
  const bool pending = isr_ != 0;
  const u8 status = read_config(pci_config::kStatus);
  set_config(pci_config::kStatus, static_cast<u8>(with_bit(status, kInterruptStatus, pending)));
  const bool disabled = (command() & pci_config::kCommandInterruptDisable) != 0;
  inta_.set(pending && !disabled && !msix_.enabled());
}

u16 VirtioPci::usable_vector(u32 value) const {
  return value < msix_.vectors() ? static_cast<u16>(value) : kNoVector;
}

// --- The configuration space -------------------------------------------------------------------

void VirtioPci::follow_config() {
  const u16 control = config_word(kMsixControl);
  master_ = (command() & pci_config::kCommandMaster) != 0;
  msix_.set_control((control & kMsixEnable) != 0, (control & kMsixMask) != 0, master_);
  drive_inta();
}

/// Where the window leads: its offset is a multiple of its length, which is 1, 2 or 4.
bool VirtioPci::window(Width& width, u64& offset) const {
  const u32 length = config_dword(kWindowLength);
  offset = config_dword(kWindowOffset);
  if (length != 1 && length != 2 && length != 4) return false;
  width = static_cast<Width>(length);
  return read_config(kWindowBar) == kRegisterBar && offset % length == 0 && offset < kRegisterBytes;
}

void VirtioPci::config_reading(unsigned offset, unsigned) {
  Width width{};
  u64 at = 0;
  if (offset != kWindowData || !window(width, at)) return;
  const u64 value = read_region(at, width);
  for (unsigned i = 0; i < bytes(width); ++i)
    set_config(kWindowData + i, static_cast<u8>(value >> (8 * i)));
}

void VirtioPci::config_written(unsigned offset, unsigned size_bytes) {
  const bool was_master = master_;
  follow_config();
  if (!was_master && master_) device_->notify_all();
  Width width{};
  u64 at = 0;
  if (offset != kWindowData || !window(width, at) || size_bytes < bytes(width)) return;
  write_region(at, width, config_dword(kWindowData) & all_ones(width));
}

// --- The registers -----------------------------------------------------------------------------

u64 VirtioPci::Registers::read(u64 offset, Width width) {
  if (width != Width::Qword) return owner_.read_region(offset, width);
  const u64 low = owner_.read_region(offset, Width::Dword);
  return low | owner_.read_region(offset + 4, Width::Dword) << 32;
}

void VirtioPci::Registers::write(u64 offset, Width width, u64 value) {
  if (width != Width::Qword) return owner_.write_region(offset, width, value);
  owner_.write_region(offset, Width::Dword, value & 0xffff'ffff);
  owner_.write_region(offset + 4, Width::Dword, value >> 32);
}

u64 VirtioPci::read_region(u64 offset, Width width) {
  const u64 region = align_down(offset, kRegion);
  const u64 at = offset - region;
  u64 value = 0;
  switch (region) {
    case kCommon: {
      const u64 first = align_down(at, 4);
      value = read_common(first) | u64{read_common(first + 4)} << 32;
      value >>= 8 * (at - first);
      break;
    }
    case kIsr:
      if (at != 0) break;
      value = std::exchange(isr_, u8{0});
      drive_inta();
      break;
    case kDevice:
      for (unsigned i = 0; i < bytes(width); ++i)
        value |= u64{device_->read_config(static_cast<unsigned>(at) + i)} << (8 * i);
      break;
    default:
      break;
  }
  return value & all_ones(width);
}

void VirtioPci::write_region(u64 offset, Width width, u64 value) {
  const u64 region = align_down(offset, kRegion);
  const u64 at = offset - region;
  switch (region) {
    case kCommon:
      write_common(at, static_cast<u32>(value));
      break;
    case kDevice:
      for (unsigned i = 0; i < bytes(width); ++i)
        device_->write_config(static_cast<unsigned>(at) + i, static_cast<u8>(value >> (8 * i)));
      break;
    case kNotify:
      device_->notify(static_cast<unsigned>(at / kNotifyStep));
      break;
    default:
      break;
  }
}

u32 VirtioPci::read_common(u64 offset) {
  VirtioQueue* const queue = device_->queue(selected_);
  switch (offset) {
    case kDeviceFeatureSelect:
      return device_feature_half_;
    case kDeviceFeature:
      if (device_feature_half_ > 1) return 0;
      return static_cast<u32>(device_->offered_features() >> (32 * device_feature_half_));
    case kDriverFeatureSelect:
      return driver_feature_half_;
    case kDriverFeature:
      if (driver_feature_half_ > 1) return 0;
      return static_cast<u32>(device_->driver_features() >> (32 * driver_feature_half_));
    case kConfigVector:
      return config_vector_ | device_->queues() << 16;
    case kStatus:
      return device_->status() | u32{selected_} << 16;
    case kQueueSize:
      return queue == nullptr ? u32{kNoVector} << 16
                              : queue->size() | u32{queue_vectors_[selected_]} << 16;
    case kQueueEnable:
      return queue == nullptr ? 0 : (queue->is_enabled() ? 1 : 0) | u32{selected_} << 16;
    default:
      if (queue == nullptr || offset < kQueueDescriptors || offset >= kCommonBytes) return 0;
      return static_cast<u32>(queue->address(part_at(offset)) >> (is_upper_half(offset) ? 32 : 0));
  }
}

/// Simplified: what is not as wide as its field is taken as if it were.
void VirtioPci::write_common(u64 offset, u32 value) {
  switch (offset) {
    case kDeviceFeatureSelect:
      device_feature_half_ = value;
      break;
    case kDriverFeatureSelect:
      driver_feature_half_ = value;
      break;
    case kDriverFeature:
      device_->set_driver_features(driver_feature_half_, value);
      break;
    case kConfigVector:
      config_vector_ = usable_vector(value & 0xffff);
      break;
    case kStatus:
      device_->set_status(static_cast<u8>(value));
      if (device_->status() == 0) forget_driver();
      break;
    case kQueueSelect:
      selected_ = static_cast<u16>(value);
      break;
    default:
      if (VirtioQueue* const queue = device_->queue(selected_); queue != nullptr)
        write_queue(*queue, offset, value);
      break;
  }
}

void VirtioPci::write_queue(VirtioQueue& queue, u64 offset, u32 value) {
  switch (offset) {
    case kQueueSize:
      queue.set_size(static_cast<u16>(value));
      break;
    case kQueueVector:
      queue_vectors_[selected_] = usable_vector(value & 0xffff);
      break;
    case kQueueEnable:
      if ((value & 0xffff) == 1) device_->enable_queue(selected_);
      break;
    default: {
      if (offset < kQueueDescriptors || offset >= kCommonBytes || offset % 4 != 0) break;
      const u64 before = queue.address(part_at(offset));
      const u64 after = is_upper_half(offset) ? (before & 0xffff'ffff) | u64{value} << 32
                                              : (before & ~u64{0xffff'ffff}) | value;
      queue.set_address(part_at(offset), after);
      break;
    }
  }
}

// --- State -------------------------------------------------------------------------------------

/// What a reset of the device, by the driver or by the bus, takes back.
void VirtioPci::forget_driver() {
  device_feature_half_ = driver_feature_half_ = 0;
  selected_ = 0;
  config_vector_ = kNoVector;
  std::fill(queue_vectors_.begin(), queue_vectors_.end(), kNoVector);
  isr_ = 0;
  drive_inta();
}

void VirtioPci::reset() {
  PciFunction::reset();
  msix_.reset();
  device_->reset();
  follow_config();
  forget_driver();
}

void VirtioPci::serialize(Archive& archive) {
  PciFunction::serialize(archive);
  archive(msix_, device_feature_half_, driver_feature_half_, selected_, config_vector_, isr_);
  for (u16& vector : queue_vectors_) archive(vector);
  device_->serialize(archive);
  if (archive.is_loading()) follow_config();
}

}  // namespace doppel::devices
