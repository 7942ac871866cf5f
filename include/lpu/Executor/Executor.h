//===- Executor.h - The cycle-exact reference executor ----------*- C++ -*-===//
//
// Runs a binary after docs/Spec/Machine.md: derives every cycle itself, moves
// every word over streams, and stops at the first hazard. It reads no cycle
// count of the compiler's.
//
//===----------------------------------------------------------------------===//
#ifndef LPU_EXECUTOR_EXECUTOR_H
#define LPU_EXECUTOR_EXECUTOR_H

#include "lpu/Binary/Program.h"
#include "lpu/Support/Elements.h"
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace lpu {

/// A tensor of the host: C order, little-endian. `type` of an input may be hostType of
/// what the entry expects.
struct HostTensor {
  ElementType type = F32;
  std::vector<int64_t> shape;
  std::vector<uint8_t> bytes;

  int64_t numElements() const;
};

using HostTensors = std::map<std::string, HostTensor, std::less<>>;

/// What one run did. Counts are of issues: every issue of a Repeat counts.
struct RunStatistics {
  int64_t cycles = 0;         ///< (T10)
  uint64_t instructions = 0;  ///< as written, a Repeat counts once
  uint64_t issues = 0;
  std::map<std::string, uint64_t> issuesByMnemonic;
  std::vector<uint64_t> issuesByQueue; ///< by Target::queueNumber
  uint64_t wordsRead = 0, wordsWritten = 0;
  uint64_t weightRows = 0;      ///< rows of one plane's lanes that LW loaded
  uint64_t multiplyAccumulates = 0; ///< of active row groups
  uint64_t streamDrives = 0;    ///< vectors put on streams

  /// Mean issues a cycle and queue of `kind`, 0 to 1.
  double utilization(const Target &target, UnitKind kind) const;
};

struct RunResult {
  HostTensors outputs;
  RunStatistics statistics;
  /// Saturated lanes by counter name, in the entry's order, zeros included.
  std::vector<std::pair<std::string, uint64_t>> saturations;
};

struct ExecutorOptions {
  /// Use the host's vector instructions where it has them. The bits are the
  /// same either way.
  bool useVectorInstructions = true;
};

/// One chip with a program in its SRAM. State regions keep their contents from
/// run to run; everything else that a run writes is forgotten at the next one.
/// After a hazard the contents of the state regions are what the run left.
class Executor {
public:
  /// Loads the image of `program`, which must outlive nothing: weights are
  /// copied to their words. Errors: an instruction that no single chip can
  /// execute, two instructions of a queue that overlap (Q1, Q4).
  static absl::StatusOr<Executor> create(std::shared_ptr<const Program> program,
                                         ExecutorOptions options = {});
  Executor(Executor &&);
  Executor &operator=(Executor &&);
  ~Executor();

  /// Runs `entry` from cycle 0 to its last cycle. `inputs` has every tensor
  /// input and every integer input of the entry by name, no others. Errors:
  /// InvalidArgument or OutOfRange for the inputs; FailedPrecondition for a
  /// hazard, with chip, queue, cycle, instructions and the violated rule.
  absl::StatusOr<RunResult> run(std::string_view entry,
                                const HostTensors &inputs);
  /// Zeroes every state region, as at load.
  void resetState();
  /// Bytes of all state regions, in the order of the image.
  std::vector<uint8_t> readState() const;
  const Program &program() const;

private:
  struct Impl;
  explicit Executor(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl;
};

} // namespace lpu

#endif // LPU_EXECUTOR_EXECUTOR_H
