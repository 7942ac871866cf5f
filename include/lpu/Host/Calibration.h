//===- Calibration.h - Ranges of activations --------------------*- C++ -*-===//
#ifndef LPU_HOST_CALIBRATION_H
#define LPU_HOST_CALIBRATION_H

#include "lpu/Support/Npy.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace lpu::host {

/// What an input of an entry is for, as its users tell.
struct InputRole {
  enum Kind {
    Data,      ///< anything else: its values have to be given
    State,     ///< carried from output `output` of the run before; zeros at first
    Token,     ///< a row of a table of `size` rows
    Position,  ///< positions of the tokens
    WriteAt,   ///< where a cache takes the rows of a run
    Length,    ///< positions that are valid after a run
    LastRow,   ///< a row of `size` computed ones
  };
  Kind kind = Data;
  int64_t output = -1, size = 0;
};

/// How a sequence of tokens goes through an entry, run by run.
struct SequenceInfo {
  std::vector<InputRole> inputs;
  int64_t tokensPerRun = 1;
  /// Positions that states, tables and bounds of inputs have room for; 0: no limit.
  int64_t capacity = 0;
};
SequenceInfo analyzeSequence(mlir::func::FuncOp entry);

struct CalibrationOptions {
  /// By name of input. Tokens: any shape that ends with the sequence, which is
  /// fed from its start again when the capacity is reached. Others: the input's
  /// shape, or that with runs in front. What is not given follows from its role.
  std::map<std::string, NpyArray> arrays;
  /// Length of the two built-in sequences, drawn and continued by the model.
  int64_t builtInTokens = 64;
  /// Called after every run with the share of all that is done.
  std::function<void(double)> onProgress;
};

/// Inputs of `entry` that only the user can give.
std::vector<std::string> getDataInputs(mlir::func::FuncOp entry);

/// Runs the entries of `module`, at the tensor level, and sets `lpu.input_max`, of caches
/// `lpu.column_max`, on what Program::run observes. Operations of one node have one range in all entries.
/// Errors are emitted.
mlir::LogicalResult calibrate(mlir::ModuleOp module, const CalibrationOptions &options);

} // namespace lpu::host

#endif // LPU_HOST_CALIBRATION_H
