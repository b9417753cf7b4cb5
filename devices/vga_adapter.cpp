#include "devices/vga_adapter.h"

namespace doppel::devices {

VgaAdapter::VgaAdapter(std::span<u8> memory, const Scheduler& scheduler)
    : scheduler_(scheduler),
      memory_(memory),
      vbe_(memory_.size_bytes()),
      renderer_(registers_, vbe_, memory_),
      mono_ports_(*this, &VgaAdapter::read_mono, &VgaAdapter::write_mono),
      ports_(*this, &VgaAdapter::read_colour, &VgaAdapter::write_colour),
      vbe_ports_(*this) {
  reset();
}

void VgaAdapter::reset() {
  registers_.reset();
  vbe_.reset();
  memory_.reset();
  follow_vbe();
}

void VgaAdapter::write_port(u16 port, u8 value) {
  registers_.write(port, value);
  if (window_generation_ == registers_.window_generation()) return;
  window_generation_ = registers_.window_generation();
  memory_.configure(registers_, vbe_);
}

void VgaAdapter::write_vbe(u16 index, u16 value) {
  if (vbe_.write(index, value) == Vbe::Effect::ClearMemory) {
    const Vbe::Mode mode = vbe_.mode();
    memory_.clear(0, mode.stride_bytes * mode.height);
  }
  follow_vbe();
}

void VgaAdapter::follow_vbe() {
  registers_.set_wide_dac(vbe_.wide_dac());
  memory_.configure(registers_, vbe_);
  window_generation_ = registers_.window_generation();
}

DisplaySource::Change VgaAdapter::update(Picture& picture) {
  return renderer_.update(picture, scheduler_.now_ns());
}

void VgaAdapter::serialize(Archive& archive) {
  archive(registers_, vbe_, memory_);
  if (archive.is_loading()) follow_vbe();
}

// --- VBE ports ---------------------------------------------------------------------------------

/// Word registers at odd and even ports alike; of a wider access only the low word counts.
u64 VgaAdapter::VbePorts::read(u64 offset, Width width) {
  if (offset > 2) return all_ones(width);
  const u64 value = offset == 0 ? adapter_.vbe_.index() : adapter_.read_vbe(adapter_.vbe_.index());
  return width == Width::Byte ? value & 0xff : value | (all_ones(width) & ~u64{0xffff});
}

void VgaAdapter::VbePorts::write(u64 offset, Width, u64 value) {
  if (offset == 0) adapter_.vbe_.set_index(static_cast<u16>(value));
  if (offset == 1 || offset == 2) {
    adapter_.write_vbe(adapter_.vbe_.index(), static_cast<u16>(value));
  }
}

}  // namespace doppel::devices
