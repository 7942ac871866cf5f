//===- Target.h - One chip, described by data -------------------*- C++ -*-===//
#ifndef LPU_TARGET_TARGET_H
#define LPU_TARGET_TARGET_H

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "lpu/ISA/ISA.h"
#include "lpu/Target/Target.pb.h"
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace lpu {

enum class Side : uint8_t { West = 0, East = 1 };
inline Side getOther(Side side) { return side == Side::West ? Side::East : Side::West; }

/// One instruction queue of a chip. `index` counts inside the kind:
///   Mem: slice + side * slicesPerSide (slice 0 is next to the VXM);
///   Vxm: ALU;
///   Mxm*: plane, numbered west to east (tsp1: 0, 1 west; 2, 3 east);
///   Sxm*: side;
///   C2c*: link, west links first.
struct QueueId {
  UnitKind kind = UnitKind::Any;
  uint16_t index = 0;
  auto operator<=>(const QueueId &) const = default;
};

/// A validated target. All queries are in the terms of docs/Spec/Machine.md.
class Target {
public:
  /// Parses and validates protobuf text; every violated rule is in the message.
  static absl::StatusOr<Target> parse(std::string_view text);
  static absl::StatusOr<Target> create(const TargetDescription &description);
  /// A target that ships with the compiler, by name, or the one that the file `name`
  /// describes where that ends in ".textproto". Errors: an unknown name, with the known
  /// ones; a file that cannot be read or is no valid target, with its name.
  static absl::StatusOr<Target> lookup(std::string_view name);
  static std::vector<std::string> knownNames();

  const TargetDescription &description() const { return desc; }
  std::string_view name() const { return desc.name(); }

  unsigned superlanes() const { return desc.superlanes(); }
  unsigned lanesPerSuperlane() const { return desc.lanes_per_superlane(); }
  /// Lanes of a vector = bytes of a word.
  unsigned lanes() const { return superlanes() * lanesPerSuperlane(); }
  unsigned slicesPerSide() const { return desc.slices_per_side(); }
  unsigned numSlices() const { return 2 * slicesPerSide(); }
  unsigned banks() const { return desc.banks_per_slice(); }
  unsigned wordsPerBank() const { return desc.words_per_bank(); }
  unsigned streams() const { return desc.streams_per_direction(); }
  unsigned alus() const { return desc.alus(); }
  unsigned planes() const { return 2 * desc.planes_per_side(); }
  unsigned accumulators() const { return desc.accumulators(); }
  unsigned links() const {
    return desc.c2c().links_west() + desc.c2c().links_east();
  }
  uint64_t sramBytes() const {
    return uint64_t(numSlices()) * banks() * wordsPerBank() * lanes();
  }
  const Latencies &latencies() const { return desc.latencies(); }
  /// The entry of an MXM format by its name in the instruction table, or null.
  const MxmFormatDescription *format(std::string_view name) const;

  // --- columns, west to east: C2C, MXM planes, SXM, MEM, VXM, MEM, SXM, MXM, C2C
  unsigned columns() const;
  unsigned vxmColumn() const;
  unsigned sliceColumn(unsigned slice) const; ///< slice as in QueueId
  unsigned planeColumn(unsigned plane) const;
  unsigned sxmColumn(Side side) const;
  unsigned c2cColumn(Side side) const;
  unsigned column(QueueId queue) const;

  unsigned slice(Side side, unsigned indexFromVxm) const {
    return unsigned(side) * slicesPerSide() + indexFromVxm;
  }
  Side sliceSide(unsigned slice) const {
    return slice < slicesPerSide() ? Side::West : Side::East;
  }
  Side planeSide(unsigned plane) const {
    return plane < desc.planes_per_side() ? Side::West : Side::East;
  }
  /// The plane of `side` next to the SXM: it leads a gang.
  unsigned innerPlane(Side side) const;

  // --- queues, in one fixed order: MEM, VXM, MXM (weights, activations,
  // accumulators of plane 0, then plane 1 ...), SXM (shift, permute, transpose
  // of the west, then the east), C2C (send, receive of link 0 ...).
  unsigned numQueues() const;
  QueueId queue(unsigned number) const;
  unsigned queueNumber(QueueId queue) const;
  bool isValid(QueueId queue) const;
  /// "mem.w12", "mem.e0", "vxm.3", "mxm.1.weights", "mxm.1.activations",
  /// "mxm.1.accumulators", "sxm.w.shift", "sxm.e.transpose", "c2c.4.send".
  std::string queueName(QueueId queue) const;
  absl::StatusOr<QueueId> parseQueue(std::string_view name) const;

  /// d_func of `instruction`: cycles from issue to the cycle in which its
  /// result is driven (0 for an instruction that drives nothing). A MEM
  /// instruction's read part.
  unsigned latency(const Instruction &instruction) const;

private:
  explicit Target(TargetDescription description);
  TargetDescription desc;
  absl::flat_hash_map<std::string, QueueId> queues; ///< by name
};

} // namespace lpu

#endif // LPU_TARGET_TARGET_H
