//===- Program.h - A compiled program in memory and in a file ---*- C++ -*-===//
#ifndef LPU_BINARY_PROGRAM_H
#define LPU_BINARY_PROGRAM_H

#include "absl/status/statusor.h"
#include "lpu/Binary/Program.pb.h"
#include "lpu/ISA/ISA.h"
#include "lpu/Target/Target.h"
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace lpu {

/// What an operand of an instruction was meant to receive. `operand` numbers
/// the sampled operands of one instruction; what they are is fixed by
/// getOperands (Operands.h). One record a (consumer, operand, producer): an
/// operand under Repeat may have several producers.
struct IntentRecord {
  uint32_t consumerQueue = 0, consumerIndex = 0; ///< instruction in its queue
  uint16_t operand = 0, producerOperand = 0;     ///< producer's driven result
  uint32_t producerQueue = 0, producerIndex = 0;
  bool operator==(const IntentRecord &) const = default;
};

/// What one instruction was meant to do and to find, stated before it had a cycle
/// (docs/Spec/Binary.md, Meaning.h).
struct Meaning {
  uint32_t number = 0;    ///< of the instruction in the program as it was meant; 0: not stated
  uint32_t operation = 0; ///< digest of what it does
  uint64_t sources = 0;   ///< digest of what it takes in, issue by issue, and who put it there
  bool operator==(const Meaning &) const = default;
};

/// One queue's instructions, issue cycles made explicit, no Nops.
struct QueueStream {
  QueueId queue;
  std::vector<TimedInstruction> instructions;
};

/// One entry, decoded.
struct EntryProgram {
  std::vector<QueueStream> queues; ///< in queue order, only those that issue
  std::vector<IntentRecord> intent;
  std::vector<Meaning> meanings; ///< of all instructions, queue by queue; or empty
  Entry header; ///< bindings, derived inputs, scratch; queues and segments unset
};

/// Bytes of a WEIGHTS region: a view into a mapped file, or owned.
struct ImageBytes {
  ImageRegion region;
  std::span<const uint8_t> bytes; ///< region.words().count() * lanes
  std::shared_ptr<const void> owner;
};

/// A whole program, as written by the compiler or the assembler and read by
/// the executor, the verifier and the disassembler.
struct Program {
  Target target;
  std::vector<ImageBytes> image; ///< WEIGHTS with bytes; STATE, PADDING without
  std::vector<std::vector<uint16_t>> tables;
  std::vector<EntryProgram> entries;
  std::string producer;

  explicit Program(Target target) : target(std::move(target)) {}
  const EntryProgram *findEntry(std::string_view name) const;
};

inline constexpr uint32_t kBinaryMajor = 1, kBinaryMinor = 2;

/// Encodes one queue (gaps become Nops). Errors: overlapping issues, a field
/// out of range, an instruction of another unit.
absl::StatusOr<std::vector<uint8_t>> encodeQueue(const Target &target,
                                                 const QueueStream &queue);
absl::StatusOr<QueueStream> decodeQueue(const Target &target, QueueId queue,
                                        std::span<const uint8_t> bytes);

/// One entry as the file has it: a tenth of the memory.
struct EncodedEntry {
  struct Queue {
    uint32_t number = 0, instructions = 0;
    std::vector<uint8_t> bytes;
  };
  Entry header; ///< queues and segments unset
  std::vector<Queue> queues;
  std::vector<uint8_t> intent;
  uint64_t intentRecords = 0;
  std::vector<uint8_t> meanings;
};
/// Errors: those of encodeQueue.
absl::StatusOr<EncodedEntry> encodeEntry(const Target &target, const EntryProgram &entry);

/// Writes `program` to `path`: into a temporary file beside it, synced, then
/// renamed, so that `path` is either whole or untouched. Equal programs give
/// equal bytes.
absl::Status writeProgram(const Program &program, const std::string &path);
/// The same with entries that were checked and encoded before; those of `program` are not
/// looked at.
absl::Status writeProgram(const Program &program, std::span<const EncodedEntry> entries,
                          const std::string &path);
/// Maps and checks a binary: magic, version, checksums, sizes, every
/// structural rule. Messages name the file and the damaged part.
absl::StatusOr<Program> readProgram(const std::string &path);

/// Structural checks that need no data and no timing: field ranges, streams,
/// words and tables inside the target, queues of the right unit.
absl::Status checkProgram(const Program &program);
/// Those of one entry, of `program` or not.
absl::Status checkEntry(const Program &program, const EntryProgram &entry);

} // namespace lpu

#endif // LPU_BINARY_PROGRAM_H
