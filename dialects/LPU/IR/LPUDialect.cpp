//===- LPUDialect.cpp - The lpu dialect -----------------------------------===//

#include "LPU/IR/LPUDialect.h"
#include "lpu/Target/Target.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/IR/Operation.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/ADT/StringMap.h"
#include <mutex>

using namespace mlir;
using namespace mlir::lpu;

#include "LPU/IR/LPUDialect.cpp.inc"

void LPUDialect::initialize() {
  registerTensorLevel();
  registerKernelLevel();
}

/// The state attributes of a function pair up: every state of a result is the
/// state of exactly one argument of the same type, and the other way around.
static LogicalResult verifyState(FunctionOpInterface function, StringAttr state) {
  SmallVector<Type> arguments, results;
  for (unsigned i = 0, e = function.getNumArguments(); i < e; ++i) {
    if (function.getArgAttr(i, LPUDialect::kStateAttr) == state) {
      arguments.push_back(function.getArgumentTypes()[i]);
    }
  }
  for (unsigned i = 0, e = function.getNumResults(); i < e; ++i) {
    if (function.getResultAttr(i, LPUDialect::kStateAttr) == state) {
      results.push_back(function.getResultTypes()[i]);
    }
  }
  if (arguments.size() != 1 || results.size() != 1) {
    return function.emitOpError("expected state ")
           << state << " on one argument and one result, got " << arguments.size() << " and "
           << results.size();
  }
  if (arguments[0] != results[0]) {
    return function.emitOpError("expected state ")
           << state << " to keep its type " << arguments[0] << ", got " << results[0];
  }
  return success();
}

static LogicalResult verifySignatureAttribute(Operation *op, NamedAttribute attribute) {
  StringRef name = attribute.getName();
  if (name != LPUDialect::kNameAttr && name != LPUDialect::kStateAttr) {
    return success();
  }
  auto text = dyn_cast<StringAttr>(attribute.getValue());
  if (!text) {
    return op->emitOpError("expected ") << name << " to be a string, got " << attribute.getValue();
  }
  auto function = dyn_cast<FunctionOpInterface>(op);
  if (name == LPUDialect::kStateAttr && function) {
    return verifyState(function, text);
  }
  return success();
}

LogicalResult LPUDialect::verifyRegionArgAttribute(Operation *op, unsigned, unsigned,
                                                   NamedAttribute attribute) {
  return verifySignatureAttribute(op, attribute);
}

LogicalResult LPUDialect::verifyRegionResultAttribute(Operation *op, unsigned, unsigned,
                                                      NamedAttribute attribute) {
  return verifySignatureAttribute(op, attribute);
}

LogicalResult LPUDialect::verifyOperationAttribute(Operation *op, NamedAttribute attribute) {
  bool isRange = attribute.getName() == kInputMaxAttr || attribute.getName() == kColumnMaxAttr;
  if (isRange && !isa<DenseF32ArrayAttr>(attribute.getValue())) {
    return op->emitOpError("expected ")
           << attribute.getName() << " to be array<f32>, got " << attribute.getValue();
  }
  return success();
}

const ::lpu::Target *mlir::lpu::getTarget(Operation *op) {
  auto module = isa<ModuleOp>(op) ? cast<ModuleOp>(op)
                                  : op->getParentOfType<ModuleOp>();
  auto name = module ? module->getAttrOfType<StringAttr>("lpu.target")
                     : StringAttr();
  if (!name) {
    op->emitOpError("expected `lpu.target` on the module");
    return nullptr;
  }
  static std::mutex mutex;
  static llvm::StringMap<std::unique_ptr<::lpu::Target>> known;
  std::lock_guard<std::mutex> lock(mutex);
  std::unique_ptr<::lpu::Target> &target = known[name.getValue()];
  if (!target) {
    absl::StatusOr<::lpu::Target> parsed =
        ::lpu::Target::lookup(name.getValue().str());
    if (!parsed.ok()) {
      op->emitOpError(std::string(parsed.status().message()));
      return nullptr;
    }
    target = std::make_unique<::lpu::Target>(std::move(*parsed));
  }
  return target.get();
}
