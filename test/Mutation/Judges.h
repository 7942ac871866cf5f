//===- Judges.h - What stops a changed binary -------------------*- C++ -*-===//
#ifndef LPU_TEST_MUTATION_JUDGES_H
#define LPU_TEST_MUTATION_JUDGES_H

#include "Mutations.h"
#include "lpu/Executor/Executor.h"

namespace lpu::mutation {

enum class Verdict : uint8_t {
  Reader,   ///< no binary can say it, or the reader refuses the one that does
  Verifier, ///< a rule is violated
  Executor, ///< a hazard that depends on data; or other results, where other words are the
            ///< image's or the host's: whose data lies there no rule knows
  Unused,   ///< the instruction has no use for the number
  NoEffect, ///< the verifier proves it to do what was meant, and the executor agrees
  Slipped,  ///< neither stopped nor proved, or the executor contradicts the proof
};
inline constexpr size_t kVerdicts = 6;

struct Judgement {
  Verdict verdict;
  std::string reason;
};

/// The judges, with the results of the unchanged program.
class Judges {
public:
  /// Runs every entry twice with random inputs, on states that the first run left. Errors:
  /// the unchanged program does not pass. Without meanings the verifier's rules (I1) to (I3)
  /// do not count: it proves a program free of hazards, not to be the one that was meant.
  static absl::StatusOr<Judges> create(std::shared_ptr<const Program> program, uint64_t seed,
                                       bool withMeanings);

  /// `changed`: the program after `mutation`.
  Judgement judge(const Program &changed, const Mutation &mutation) const;

private:
  struct Observed {
    HostTensors outputs;
    std::vector<std::pair<std::string, uint64_t>> saturations;
    std::vector<uint8_t> state;
  };
  absl::StatusOr<std::vector<Observed>> observe(std::shared_ptr<const Program> changed,
                                                size_t index) const;
  absl::Status read(const Program &changed, const Mutation &mutation) const;

  /// The first violation that counts, or nothing.
  std::string getViolation(const Program &changed, const EntryProgram &entry) const;

  std::shared_ptr<const Program> program;
  bool withMeanings = true;
  std::vector<std::vector<HostTensors>> inputs; ///< by entry and run
  std::vector<std::vector<Observed>> expected;
};

} // namespace lpu::mutation

#endif // LPU_TEST_MUTATION_JUDGES_H
