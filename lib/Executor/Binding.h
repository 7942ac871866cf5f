//===- Binding.h - Host tensors to words and back ---------------*- C++ -*-===//
#ifndef LPU_LIB_EXECUTOR_BINDING_H
#define LPU_LIB_EXECUTOR_BINDING_H

#include "Sram.h"
#include "lpu/Executor/Executor.h"

namespace lpu::executor {

/// Flattened integer inputs by name.
using IntegerInputs = std::map<std::string, std::vector<int64_t>, std::less<>>;

/// Checks names, shapes, types and bounds of every input (H4).
absl::StatusOr<IntegerInputs> checkInputs(const Entry &entry,
                                          const HostTensors &inputs);
absl::Status writeTensor(const TensorBinding &binding, const HostTensor &tensor,
                         const Target &target, Sram &sram);
/// Evaluates a derived input lane by lane and writes it (H3).
absl::Status writeDerived(const DerivedInput &derived, const Entry &entry,
                          const IntegerInputs &integers, const Target &target,
                          Sram &sram);
/// Reads an output; a word that nobody wrote is a hazard (H2).
absl::StatusOr<HostTensor> readTensor(const TensorBinding &binding,
                                      const Target &target, Sram &sram);

} // namespace lpu::executor

#endif // LPU_LIB_EXECUTOR_BINDING_H
