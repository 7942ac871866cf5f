//===- Graph.h - From a graph to operations ---------------------*- C++ -*-===//
#ifndef LPU_LIB_IMPORT_ONNX_GRAPH_H
#define LPU_LIB_IMPORT_ONNX_GRAPH_H

#include "Fold.h"
#include "ONNX/IR/WeightFiles.h"
#include "lpu/Import/ONNX.h"
#include "onnx/onnx_pb.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringMap.h"

namespace lpu::import {

/// Imports the main graph of a model, whose dimensions are bound and whose
/// types are inferred, as one function. Knows no operator.
class GraphImporter {
public:
  GraphImporter(const ::onnx::ModelProto &model, mlir::onnx::WeightFiles &files,
                llvm::StringMap<std::string> &hashes, bool hashWeights,
                mlir::ModuleOp module);

  /// `outputs`, where given, are those of the graph with the names that users know. Errors name the node or the tensor.
  llvm::Error importEntry(const EntrySpec &entry,
                          llvm::ArrayRef<Output> outputs = {});

private:
  using Scope = llvm::StringMap<mlir::Value>;

  void addTypes(const ::onnx::GraphProto &graph);
  mlir::Type typeOf(const std::string &name);
  llvm::Expected<mlir::Value> lookup(const std::string &name);
  mlir::Location locate(const std::string &name);
  llvm::Error importInitializer(const ::onnx::TensorProto &tensor);
  llvm::Error importNode(const ::onnx::NodeProto &node);
  llvm::Error importBody(const ::onnx::GraphProto &graph,
                         llvm::SmallVectorImpl<mlir::Value> &out);
  llvm::Error importSubgraph(const ::onnx::GraphProto &graph,
                             mlir::Region &region);
  llvm::Expected<mlir::Attribute>
  importAttr(const ::onnx::AttributeProto &attr,
             llvm::SmallVectorImpl<const ::onnx::GraphProto *> &graphs);
  llvm::Expected<std::string> getHash(mlir::onnx::WeightRefAttr ref);

  const ::onnx::ModelProto &model;
  mlir::onnx::WeightFiles &files;
  llvm::StringMap<std::string> &hashes;
  bool hashWeights;
  mlir::ModuleOp module;
  mlir::OpBuilder builder;
  Opsets opsets;
  llvm::StringMap<mlir::Type> types;
  std::vector<Scope> scopes;
};

} // namespace lpu::import

#endif // LPU_LIB_IMPORT_ONNX_GRAPH_H
