//===- Paths.h - Longest paths through the dependences ----------*- C++ -*-===//
#ifndef LPU_LIB_SCHEDULING_PATHS_H
#define LPU_LIB_SCHEDULING_PATHS_H

#include "lpu/Scheduling/ChainProblem.h"

namespace lpu::scheduling {

/// Dependences by the chain that they leave: those of chain c are
/// `order[first[c]]` to `order[first[c + 1]]` (not included).
struct Successors {
  std::vector<uint32_t> first, order;
};
Successors getSuccessors(const ChainProblem &problem);

/// Earliest start of every chain, from the dependences alone.
std::vector<int64_t> getHeads(const ChainProblem &problem);

/// Cycles from every chain's start to the end of the program, at least; with weights,
/// as if every chain took that much longer before anything follows it.
std::vector<int64_t> getTails(const ChainProblem &problem,
                              const std::vector<int64_t> &weights = {});

} // namespace lpu::scheduling

#endif // LPU_LIB_SCHEDULING_PATHS_H
