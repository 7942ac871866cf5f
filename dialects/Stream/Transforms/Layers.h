//===- Layers.h - Cycles of a program's layers ------------------*- C++ -*-===//
#ifndef STREAM_TRANSFORMS_LAYERS_H
#define STREAM_TRANSFORMS_LAYERS_H

#include "lpu/Scheduling/ChainProblem.h"
#include <string>
#include <vector>

namespace mlir::stream {

struct Layer {
  std::string name;
  int64_t start;      ///< of its first chain
  int64_t cycles;     ///< from there to the end of its last one
  int64_t chainBound; ///< of its chains alone, at most `cycles`
};

/// Layers in the order of their ends. Chains outside of all layers make one with an
/// empty name. Layers overlap where work of one fits beside that of another.
std::vector<Layer> getLayers(const ::lpu::scheduling::ChainProblem &problem,
                             const ::lpu::scheduling::Schedule &schedule);

} // namespace mlir::stream

#endif // STREAM_TRANSFORMS_LAYERS_H
