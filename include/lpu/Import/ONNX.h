//===- ONNX.h - Import of ONNX models ---------------------------*- C++ -*-===//
#ifndef LPU_IMPORT_ONNX_H
#define LPU_IMPORT_ONNX_H

#include "ONNX/IR/ONNXDialect.h"
#include "lpu/Support/Npy.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/Support/Error.h"

#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace lpu {

/// One entry of the program: a name, sizes of named dimensions, and upper
/// bounds of integer inputs.
struct EntrySpec {
  std::string name = "main";
  std::vector<std::pair<std::string, int64_t>> dims;
  std::vector<std::pair<std::string, int64_t>> inputMax;
};

/// Parses `NAME[:ITEM,...]` with items `DIMENSION=SIZE` and `INPUT:max=VALUE`,
/// for example `decode:sequence_len=1,nonpad_kv_seqlen:max=256`.
llvm::Expected<EntrySpec> parseEntry(llvm::StringRef text);

/// Values of inputs by name.
using InputValues = std::vector<std::pair<std::string, NpyArray>>;

/// Parses `NAME=FILE.npy` and reads the file.
llvm::Expected<std::pair<std::string, NpyArray>> parseInputValue(llvm::StringRef text);

/// Shapes of inputs by name: one of a tensor, one for each element of a sequence, one or none of an
/// optional.
using InputShapes = std::vector<std::pair<std::string, std::vector<std::vector<int64_t>>>>;

/// Parses `NAME=[SIZE,...]`, with as many lists as there are shapes.
llvm::Expected<InputShapes::value_type> parseInputShape(llvm::StringRef text);

/// What becomes of nodes at import, for the report (Report.h).
struct ImportTrace {
  /// A node of the file that is not in the module, at least not everywhere.
  struct Node {
    /// "ai.onnx" for the default one.
    std::string domain;
    std::string opType;
    int64_t since = 0;
    std::string name;
    /// Other nodes stand for it; else it is constant, or no output needs it.
    bool isExpanded = false;
    std::string how;
  };
  /// A dimension of an input without a size.
  struct OpenDim {
    /// Empty where it has no name.
    std::string name;
    std::string input;
    /// -1 where the whole shape is open.
    int64_t axis = 0;
  };
  /// Of all entries; one that all of them treat in the same way is there once.
  std::vector<Node> nodes;
  std::vector<OpenDim> openDims;
  /// What tells them apart.
  std::set<std::string> seen;
};

struct ImportOptions {
  /// One function each; none means one entry `main` that binds nothing.
  std::vector<EntrySpec> entries;
  /// Tensors of the model that become outputs of every entry, besides its own.
  std::vector<std::string> outputs;
  /// Inputs of every entry that are fixed: they become initializers.
  InputValues inputValues;
  /// Inputs whose shapes the model leaves open; sequences and optionals become tensors.
  InputShapes inputShapes;
  /// What is in the way of converting a node, empty where nothing is. Nodes that ONNX defines by a
  /// function are replaced by its body where something is; control flow that depends on
  /// the data is replaced by what both ways give. Without it such nodes stay.
  std::function<std::string(mlir::onnx::NodeOp)> whyNot;
  /// Keeps dimensions of inputs that no entry binds, by name in the type,
  /// instead of an error.
  bool allowDynamic = false;
  /// Where the model is written as it is after folding, as ONNX; the last entry's. Nowhere where
  /// it is empty.
  std::string foldedModel;
  /// Fills in the content hash of every weight, which reads all of them.
  bool hashWeights = false;
  /// Filled in where it is given.
  ImportTrace *trace = nullptr;
  /// A node that is wrong, such as one whose inputs' shapes do not fit, stays with what is wrong
  /// (kErrorAttr of Report.h) instead of an error.
  bool keepWrongNodes = false;
};

/// Imports the model in the file `path` into the `onnx` dialect: one
/// `func.func` for each entry, weights by reference, model-local functions
/// inlined, types from ONNX's shape inference with the entry's dimensions
/// bound, and all that is known then folded (docs/Importer.md). Errors are emitted as diagnostics and name the file and the node,
/// tensor, dimension or entry.
mlir::OwningOpRef<mlir::ModuleOp> importONNX(llvm::StringRef path,
                                             const ImportOptions &options,
                                             mlir::MLIRContext &context);

/// Registers `--import-onnx` and its options with lpu-translate.
void registerImportONNX();

} // namespace lpu

#endif // LPU_IMPORT_ONNX_H
