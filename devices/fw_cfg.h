#pragma once

// fw_cfg: how the machine's maker talks to firmware: numbered items and a directory of files.
//
//     510h  selector (16 bits)      511h  data, one byte after another
//     514h  DMA descriptor address, high half, big endian     518h  low half: starts
//
//     descriptor (big endian):  +0 control  +4 length  +8 address
//
// Requests are a guest's word: an item is never read past its end (zeros follow), nothing is
// written beyond the end of memory, and a long request goes on in pieces while the machine runs.

#include <boost/container/flat_map.hpp>
#include <string>
#include <vector>

#include "devices/byte_ports.h"
#include "devices/device.h"
#include "devices/scheduler.h"
#include "mmu/physical_memory.h"

namespace doppel::devices {

/// @source  QEMU documentation, "QEMU Firmware Configuration (fw_cfg) Device"
class FwCfg final : public Device {
 public:
  /// Item numbers; the values of "legacy" items are little-endian numbers.
  enum Key : u16 {
    kSignature = 0x00,
    kId = 0x01,
    kUuid = 0x02,
    kRamSize = 0x03,
    kNoGraphic = 0x04,
    kCpus = 0x05,
    kMachineId = 0x06,
    kKernelAddress = 0x07,
    kKernelSize = 0x08,
    kKernelCommandLine = 0x09,
    kInitrdAddress = 0x0a,
    kInitrdSize = 0x0b,
    kBootDevice = 0x0c,
    kNuma = 0x0d,
    kBootMenu = 0x0e,
    kMaxCpus = 0x0f,
    kKernelEntry = 0x10,
    kKernelData = 0x11,
    kInitrdData = 0x12,
    kCommandLineAddress = 0x13,
    kCommandLineSize = 0x14,
    kCommandLineData = 0x15,
    kSetupAddress = 0x16,
    kSetupSize = 0x17,
    kSetupData = 0x18,
    kFileDirectory = 0x19,
    kFirstFile = 0x20,
    kAcpiTables = 0x8000,
    kSmbiosEntries = 0x8001,
    kIrq0Override = 0x8002,
    kE820Table = 0x8003,
    kHpetConfiguration = 0x8004,
  };

  FwCfg(mmu::PhysicalMemory& memory, Scheduler& scheduler);

  /// Adds a file to the directory (or replaces its contents). False if the name is empty or longer
  /// than 55 characters, or the directory is full. Before the machine starts.
  bool add_file(std::string name, std::vector<u8> contents);
  /// Adds or replaces a numbered item.
  void add_key(u16 key, std::vector<u8> contents);
  /// A numbered item that is one little-endian number.
  void add_number(u16 key, Width width, u64 value);

  /// Ports 510h-511h and 514h-51Bh.
  mmu::IoHandler& ports() { return ports_; }
  mmu::IoHandler& dma_ports() { return dma_ports_; }

  std::string_view name() const override { return "fw_cfg"; }
  void reset() override;
  /// Items are configuration and not saved; the position in them is.
  void serialize(Archive& archive) override;

 private:
  class SelectorPorts final : public mmu::IoHandler {
   public:
    explicit SelectorPorts(FwCfg& owner) : owner_(owner) {}
    u64 read(u64 offset, Width width) override;
    void write(u64 offset, Width width, u64 value) override;

   private:
    FwCfg& owner_;
  };
  class DmaPorts final : public mmu::IoHandler {
   public:
    explicit DmaPorts(FwCfg& owner) : owner_(owner) {}
    u64 read(u64 offset, Width width) override;
    void write(u64 offset, Width width, u64 value) override;

   private:
    FwCfg& owner_;
  };

  void select(u16 key);
  u8 next_byte();
  const std::vector<u8>* selected_item() const;
  void write_directory();
  void start_dma(u64 descriptor);
  void continue_dma();
  void finish_dma(bool error);

  mmu::PhysicalMemory& memory_;
  Scheduler& scheduler_;
  Scheduler::EventId dma_event_;
  boost::container::flat_map<u16, std::vector<u8>>
      items_;                       // Written at start, searched on selects.
  std::vector<std::string> files_;  // The i-th has key kFirstFile + i.
  u16 key_ = 0;
  u64 offset_ = 0;
  u64 dma_address_high_ = 0;
  // A read that is under way; dma_left_ == 0: none.
  u64 dma_descriptor_ = 0;
  u64 dma_target_ = 0;
  u64 dma_left_ = 0;
  SelectorPorts ports_;
  DmaPorts dma_ports_;
};

}  // namespace doppel::devices
