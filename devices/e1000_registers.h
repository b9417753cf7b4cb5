#pragma once

// Registers of Intel's 8254x gigabit Ethernet controllers, and their bits.
//
// @source  Intel "PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual",
//          "Register Descriptions" (13); bits in "Main Register Descriptions" (13.4)

#include "cpu/base/types.h"

namespace doppel::devices::e1000 {

// General.
inline constexpr u32 kCtrl = 0x0000;
inline constexpr u32 kCtrlAlias = 0x0004;
inline constexpr u32 kStatus = 0x0008;
inline constexpr u32 kEecd = 0x0010;
inline constexpr u32 kEerd = 0x0014;
inline constexpr u32 kCtrlExt = 0x0018;
inline constexpr u32 kFla = 0x001c;
inline constexpr u32 kMdic = 0x0020;
inline constexpr u32 kFcal = 0x0028;
inline constexpr u32 kFcah = 0x002c;
inline constexpr u32 kFct = 0x0030;
inline constexpr u32 kVet = 0x0038;
inline constexpr u32 kFcttv = 0x0170;
inline constexpr u32 kTxcw = 0x0178;
inline constexpr u32 kRxcw = 0x0180;
inline constexpr u32 kTipg = 0x0410;
inline constexpr u32 kAifs = 0x0458;
inline constexpr u32 kLedctl = 0x0e00;
inline constexpr u32 kPba = 0x1000;
inline constexpr u32 kFcrtl = 0x2160;
inline constexpr u32 kFcrth = 0x2168;

// Interrupts.
inline constexpr u32 kIcr = 0x00c0;
inline constexpr u32 kItr = 0x00c4;
inline constexpr u32 kIcs = 0x00c8;
inline constexpr u32 kIms = 0x00d0;
inline constexpr u32 kImc = 0x00d8;

// Receive.
inline constexpr u32 kRctl = 0x0100;
inline constexpr u32 kRdbal = 0x2800;
inline constexpr u32 kRdbah = 0x2804;
inline constexpr u32 kRdlen = 0x2808;
inline constexpr u32 kRdh = 0x2810;
inline constexpr u32 kRdt = 0x2818;
inline constexpr u32 kRdtr = 0x2820;
inline constexpr u32 kRxdctl = 0x2828;
inline constexpr u32 kRadv = 0x282c;
inline constexpr u32 kRsrpd = 0x2c00;
inline constexpr u32 kRxcsum = 0x5000;
inline constexpr u32 kMta = 0x5200;
inline constexpr u32 kMtaWords = 128;
inline constexpr u32 kRal = 0x5400;  // RAL and RAH by turns.
inline constexpr u32 kReceiveAddresses = 16;
inline constexpr u32 kVfta = 0x5600;
inline constexpr u32 kVftaWords = 128;

// Transmit.
inline constexpr u32 kTctl = 0x0400;
inline constexpr u32 kTdbal = 0x3800;
inline constexpr u32 kTdbah = 0x3804;
inline constexpr u32 kTdlen = 0x3808;
inline constexpr u32 kTdh = 0x3810;
inline constexpr u32 kTdt = 0x3818;
inline constexpr u32 kTidv = 0x3820;
inline constexpr u32 kTxdctl = 0x3828;
inline constexpr u32 kTadv = 0x382c;
inline constexpr u32 kTspmt = 0x3830;

// Statistics, wake-up, packet buffer memory.
inline constexpr u32 kStatistics = 0x4000;
inline constexpr u32 kStatisticsEnd = 0x4100;
inline constexpr u32 kWuc = 0x5800;
inline constexpr u32 kWakeUpEnd = 0x5b00;

namespace ctrl {
inline constexpr u32 FD = 1u << 0;
inline constexpr u32 SLU = 1u << 6;
inline constexpr u32 SPEED_1000 = 2u << 8;
inline constexpr u32 RST = 1u << 26;
inline constexpr u32 VME = 1u << 30;
inline constexpr u32 PHY_RST = 1u << 31;
}  // namespace ctrl

namespace status {
inline constexpr u32 FD = 1u << 0;
inline constexpr u32 LU = 1u << 1;
inline constexpr u32 SPEED_1000 = 2u << 6;
inline constexpr u32 ASDV_1000 = 2u << 8;
}  // namespace status

namespace ctrl_ext {
inline constexpr u32 EE_RST = 1u << 13;
}

namespace icr {
inline constexpr u32 TXDW = 1u << 0;
inline constexpr u32 TXQE = 1u << 1;
inline constexpr u32 LSC = 1u << 2;
inline constexpr u32 RXDMT0 = 1u << 4;
inline constexpr u32 RXO = 1u << 6;
inline constexpr u32 RXT0 = 1u << 7;
inline constexpr u32 MDAC = 1u << 9;
inline constexpr u32 SRPD = 1u << 16;
/// Every cause that the chip has.
inline constexpr u32 kAll = 0x0001'f6df;
}  // namespace icr

namespace rctl {
inline constexpr u32 EN = 1u << 1;
inline constexpr u32 UPE = 1u << 3;
inline constexpr u32 MPE = 1u << 4;
inline constexpr u32 LPE = 1u << 5;
inline constexpr u32 BAM = 1u << 15;
inline constexpr u32 VFE = 1u << 18;
inline constexpr u32 CFIEN = 1u << 19;
inline constexpr u32 CFI = 1u << 20;
inline constexpr u32 BSEX = 1u << 25;
inline constexpr u32 SECRC = 1u << 26;
}  // namespace rctl

namespace rxcsum {
inline constexpr u32 IPOFL = 1u << 8;
inline constexpr u32 TUOFL = 1u << 9;
}  // namespace rxcsum

namespace tctl {
inline constexpr u32 EN = 1u << 1;
}

}  // namespace doppel::devices::e1000
