#include "devices/firmware_tables.h"

#include <string_view>
#include <utility>

namespace doppel::devices {

namespace {

constexpr std::string_view kRsdpFile = "etc/acpi/rsdp";
constexpr std::string_view kTablesFile = "etc/acpi/tables";
constexpr size_t kNameBytes = 56;
constexpr size_t kCommandBytes = 128;

enum class Zone : u8 { High = 1, Below1MiB = 2 };

/// The commands that firmware carries out in order.
class LoaderScript {
 public:
  void allocate(std::string_view file, u32 alignment, Zone zone) {
    begin(1);
    name(file);
    number(alignment, 4);
    number(static_cast<u8>(zone), 1);
    end();
  }
  /// Adds the address of `to` to the number of `size_bytes` at `at` in `from`.
  void add_pointer(std::string_view from, std::string_view to, u32 at, u8 size_bytes) {
    begin(2);
    name(from);
    name(to);
    number(at, 4);
    number(size_bytes, 1);
    end();
  }
  void add_checksum(std::string_view file, const AcpiTables::Checksum& checksum) {
    begin(3);
    name(file);
    number(checksum.at, 4);
    number(checksum.first, 4);
    number(checksum.size_bytes, 4);
    end();
  }
  std::vector<u8> take() { return std::move(bytes_); }

 private:
  void begin(u32 command) { number(command, 4); }
  void end() { bytes_.resize((bytes_.size() + kCommandBytes - 1) / kCommandBytes * kCommandBytes); }
  void name(std::string_view file) {
    const size_t start = bytes_.size();
    bytes_.insert(bytes_.end(), file.begin(), file.end());
    bytes_.resize(start + kNameBytes);
  }
  void number(u32 value, unsigned size_bytes) {
    for (unsigned i = 0; i < size_bytes; ++i) bytes_.push_back(static_cast<u8>(value >> (8 * i)));
  }
  std::vector<u8> bytes_;
};

}  // namespace

void add_acpi_files(FwCfg& fw_cfg, const AcpiTablesConfig& config) {
  // The RSDP is a file of its own; what follows it begins anew at offset 0.
  constexpr u32 kSplit = AcpiTables::kAlignment;
  AcpiTables image = build_acpi_tables(config, u64{0} - kSplit);
  const auto is_in_rsdp = [](u32 at) { return at < AcpiTables::kRsdpSize; };

  LoaderScript script;
  script.allocate(kRsdpFile, 16, Zone::Below1MiB);
  script.allocate(kTablesFile, AcpiTables::kAlignment, Zone::High);
  for (const AcpiTables::Pointer& pointer : image.pointers) {
    const bool in_rsdp = is_in_rsdp(pointer.at);
    script.add_pointer(in_rsdp ? kRsdpFile : kTablesFile, kTablesFile,
                       in_rsdp ? pointer.at : pointer.at - kSplit, pointer.size_bytes);
  }
  for (AcpiTables::Checksum checksum : image.checksums) {
    const bool in_rsdp = is_in_rsdp(checksum.at);
    if (!in_rsdp) {
      checksum.at -= kSplit;
      checksum.first -= kSplit;
    }
    script.add_checksum(in_rsdp ? kRsdpFile : kTablesFile, checksum);
  }
  const auto split = image.bytes.begin() + kSplit;
  fw_cfg.add_file(std::string(kRsdpFile),
                  {image.bytes.begin(), image.bytes.begin() + AcpiTables::kRsdpSize});
  fw_cfg.add_file(std::string(kTablesFile), {split, image.bytes.end()});
  fw_cfg.add_file("etc/table-loader", script.take());
}

}  // namespace doppel::devices
