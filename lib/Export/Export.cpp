//===- Export.cpp - A module at isa level as a Program --------------------===//

#include "lpu/Export/Export.h"
#include "ISA/IR/ISADialect.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "lpu/Binary/Assembly.h"
#include "lpu/Support/Elements.h"
#include "mlir/Tools/mlir-translate/Translation.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/TypeSwitch.h"
#include <map>

using namespace mlir;
using namespace mlir::lpuisa;
using ::lpu::ElementType;
using ::lpu::Program;

namespace {

std::optional<::lpu::RegionKind> parseKind(StringRef kind) {
  ::lpu::RegionKind value;
  return ::lpu::RegionKind_Parse(kind.upper(), &value) ? std::optional(value)
                                                       : std::nullopt;
}
std::optional<ElementType> parseType(StringRef type) {
  return ::lpu::parseElementType(std::string_view(type));
}

/// The raw bytes of an int8 constant; empty when it is not one.
std::span<const uint8_t> getBytes(ElementsAttr value) {
  if (auto dense = dyn_cast<DenseElementsAttr>(value)) {
    ArrayRef<char> raw = dense.getRawData();
    return {reinterpret_cast<const uint8_t *>(raw.data()), raw.size()};
  }
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(value)) {
    if (AsmResourceBlob *blob = resource.getRawHandle().getBlob()) {
      ArrayRef<char> raw = blob->getData();
      return {reinterpret_cast<const uint8_t *>(raw.data()), raw.size()};
    }
  }
  return {};
}

class Exporter {
public:
  Exporter(ModuleOp module, Program program)
      : module(module), program(std::move(program)) {}

  FailureOr<Program> run() {
    for (Operation &op : *module.getBody()) {
      LogicalResult result =
          llvm::TypeSwitch<Operation *, LogicalResult>(&op)
              .Case<EntryOp, ImageOp, TableOp, RegionOp, BindingOp,
                    IntegerInputOp, DerivedInputOp>(
                  [&](auto op) { return add(op); })
              .Default([](Operation *op) {
                return op->emitOpError("does not belong to the isa level");
              });
      if (failed(result)) {
        return failure();
      }
    }
    absl::Status status = ::lpu::checkProgram(program);
    if (!status.ok()) {
      return module.emitError(std::string(status.message()));
    }
    return std::move(program);
  }

private:
  template <typename Op>
  LogicalResult setRegion(Op op, ::lpu::ImageRegion &region) {
    std::optional<::lpu::RegionKind> kind = parseKind(op.getKind());
    if (!kind) {
      return op.emitOpError("unknown kind ") << op.getKind();
    }
    region.set_kind(*kind);
    region.set_label(op.getLabel().str());
    region.mutable_words()->set_slice(uint32_t(op.getSlice()));
    region.mutable_words()->set_bank(uint32_t(op.getBank()));
    region.mutable_words()->set_first(uint32_t(op.getFirst()));
    region.mutable_words()->set_count(uint32_t(op.getCount()));
    return success();
  }

  LogicalResult add(ImageOp op) {
    ::lpu::ImageBytes image;
    if (failed(setRegion(op, image.region))) {
      return failure();
    }
    if (op.getValue()) {
      image.bytes = getBytes(*op.getValue());
    }
    uint64_t expected = image.region.kind() == ::lpu::WEIGHTS
                            ? op.getCount() * program.target.lanes()
                            : 0;
    if (image.bytes.size() != expected) {
      return op.emitOpError("expected ")
             << expected << " bytes, got " << image.bytes.size();
    }
    program.image.push_back(std::move(image));
    return success();
  }

  LogicalResult add(TableOp op) {
    program.tables.emplace_back(op.getEntries().begin(), op.getEntries().end());
    return success();
  }

  /// The entry called `name`, made when it is not there yet.
  ::lpu::EntryProgram &getEntry(StringRef name) {
    for (::lpu::EntryProgram &entry : program.entries) {
      if (entry.header.name() == name) {
        return entry;
      }
    }
    program.entries.emplace_back();
    program.entries.back().header.set_name(name.str());
    return program.entries.back();
  }

  LogicalResult add(RegionOp op) {
    return setRegion(op, *getEntry(op.getEntry()).header.add_scratch());
  }

  LogicalResult add(BindingOp op) {
    ::lpu::Entry &entry = getEntry(op.getEntry()).header;
    bool isInput = op.getDirection() == "input";
    if (!isInput && op.getDirection() != "output") {
      return op.emitOpError("expected input or output, got ") << op.getDirection();
    }
    ::lpu::TensorBinding &binding =
        *(isInput ? entry.add_inputs() : entry.add_outputs());
    std::optional<ElementType> type = parseType(op.getType());
    std::optional<ElementType> stored = parseType(op.getStoredAs());
    if (!type || !stored) {
      return op.emitOpError("unknown type ")
             << (type ? op.getStoredAs() : op.getType());
    }
    if (op.getPlanes().size() % 3 != 0 || op.getRuns().size() % 4 != 0) {
      return op.emitOpError("expected [slice, bank, first] a byte plane and "
                            "[column, count, vector, lane] a run");
    }
    binding.set_name(op.getName().str());
    binding.set_type(*type);
    binding.set_stored_as(*stored);
    for (int64_t extent : op.getShape()) {
      binding.add_shape(extent);
    }
    if (std::optional<ArrayRef<int64_t>> values = op.getLayout()) {
      constexpr size_t kFields = 4;
      if (values->size() != kFields + op.getShape().size()) {
        return op.emitOpError("expected [lane_dim, vector_stride, offset, words] and a stride "
                              "a dimension as layout");
      }
      ::lpu::Layout &layout = *binding.mutable_layout();
      layout.set_lane_dim(int32_t((*values)[0]));
      layout.set_vector_stride((*values)[1]);
      layout.set_offset((*values)[2]);
      layout.set_words(uint64_t((*values)[3]));
      for (int64_t stride : values->drop_front(kFields)) {
        layout.add_word_strides(stride);
      }
    } else {
      binding.set_rows(uint32_t(op.getRows()));
      binding.set_columns(uint32_t(op.getColumns()));
      binding.set_vectors(uint32_t(op.getVectors()));
      binding.set_row_stride(uint32_t(op.getRowStride()));
    }
    binding.set_chunk_words(uint32_t(op.getChunkWords()));
    for (size_t k = 0; k < op.getPlanes().size(); k += 3) {
      ::lpu::BytePlane *plane = binding.add_byte_planes();
      plane->set_slice(uint32_t(op.getPlanes()[k]));
      plane->set_bank(uint32_t(op.getPlanes()[k + 1]));
      plane->set_first(uint32_t(op.getPlanes()[k + 2]));
    }
    for (size_t k = 0; k < op.getRuns().size(); k += 4) {
      ::lpu::LaneRun *run = binding.add_lane_runs();
      run->set_column(uint32_t(op.getRuns()[k]));
      run->set_count(uint32_t(op.getRuns()[k + 1]));
      run->set_vector(uint32_t(op.getRuns()[k + 2]));
      run->set_lane(uint32_t(op.getRuns()[k + 3]));
    }
    return success();
  }

  LogicalResult add(IntegerInputOp op) {
    ::lpu::IntegerInput &input = *getEntry(op.getEntry()).header.add_integer_inputs();
    std::optional<ElementType> type = parseType(op.getType());
    if (!type) {
      return op.emitOpError("unknown type ") << op.getType();
    }
    input.set_name(op.getName().str());
    input.set_type(*type);
    for (int64_t extent : op.getShape()) {
      input.add_shape(extent);
    }
    if (op.getMost()) {
      input.set_bounded(true);
      input.set_min(op.getLeast().value_or(0));
      input.set_max(int64_t(*op.getMost()));
    }
    return success();
  }

  LogicalResult add(DerivedInputOp op) {
    ::lpu::Entry &entry = getEntry(op.getEntry()).header;
    ::lpu::DerivedInput &derived = *entry.add_derived_inputs();
    derived.set_name(op.getName().str());
    derived.set_rows(uint32_t(op.getRows()));
    derived.set_row_stride(1);
    for (size_t k = 0; k + 2 < op.getPlanes().size(); k += 3) {
      ::lpu::BytePlane *plane = derived.add_byte_planes();
      plane->set_slice(uint32_t(op.getPlanes()[k]));
      plane->set_bank(uint32_t(op.getPlanes()[k + 1]));
      plane->set_first(uint32_t(op.getPlanes()[k + 2]));
    }
    for (size_t k = 0; k + 1 < op.getSteps().size(); k += 2) {
      ::lpu::DerivedStep *step = derived.add_steps();
      int64_t value = op.getSteps()[k + 1];
      step->set_op(::lpu::DerivedStep::Op(op.getSteps()[k]));
      if (step->op() == ::lpu::DerivedStep::INPUT) {
        auto name = cast<StringAttr>(op.getInputs()[size_t(value)]).getValue();
        auto it = llvm::find_if(entry.integer_inputs(), [&](const auto &input) {
          return StringRef(input.name()) == name;
        });
        if (it == entry.integer_inputs().end()) {
          return op.emitOpError("expected an integer input called ") << name;
        }
        value = it - entry.integer_inputs().begin();
      }
      step->set_value(value);
    }
    return success();
  }

  LogicalResult add(EntryOp op) {
    return ::lpu::exportEntry(op, program.target, getEntry(op.getSymName()));
  }

  ModuleOp module;
  Program program;
};

} // namespace

/// In the order of an entry's queues.
using Meanings = std::map<::lpu::QueueId, std::vector<::lpu::Meaning>>;

static LogicalResult exportQueue(QueueOp op, const ::lpu::Target &target,
                                 ::lpu::EntryProgram &entry, Meanings &all) {
  absl::StatusOr<::lpu::QueueId> id = target.parseQueue(std::string_view(op.getName()));
  if (!id.ok()) {
    return op.emitOpError(std::string(id.status().message()));
  }
  ::lpu::QueueStream queue{*id, {}};
  uint32_t number = target.queueNumber(*id);
  std::vector<::lpu::Meaning> &meanings = all[*id];
  auto instructions = op.getBody().getOps<InstructionOp>();
  queue.instructions.reserve(size_t(llvm::range_size(instructions)));
  for (InstructionOp instruction : instructions) {
    ArrayRef<uint32_t> intent = instruction.getIntent();
    for (size_t k = 0; k < intent.size(); k += 4) {
      entry.intent.push_back({number, uint32_t(queue.instructions.size()),
                              uint16_t(intent[k]), uint16_t(intent[k + 3]),
                              intent[k + 1], intent[k + 2]});
    }
    queue.instructions.push_back(
        {instruction.getCycle(), instruction.getInstruction().unpack()});
    meanings.push_back(instruction.getMeaning());
  }
  entry.queues.push_back(std::move(queue));
  return success();
}

LogicalResult lpu::exportEntry(EntryOp op, const Target &target, EntryProgram &entry,
                               bool takesQueues) {
  entry.header.set_name(op.getSymName().str());
  entry.header.set_cycles(uint64_t(op.getCycles()));
  entry.header.set_lower_bound(op.getLowerBound().value_or(0));
  for (Attribute counter : op.getCounters()) {
    entry.header.add_counters(cast<StringAttr>(counter).str());
  }
  Meanings meanings;
  for (QueueOp queue : llvm::make_early_inc_range(op.getBody().getOps<QueueOp>())) {
    if (failed(exportQueue(queue, target, entry, meanings))) {
      return failure();
    }
    if (takesQueues) {
      queue.erase();
    }
  }
  std::sort(entry.queues.begin(), entry.queues.end(),
            [](const auto &a, const auto &b) { return a.queue < b.queue; });
  // An entry states all of its meanings or none.
  bool isStated = true;
  for (const auto &[queue, own] : meanings) {
    entry.meanings.insert(entry.meanings.end(), own.begin(), own.end());
    isStated &= llvm::all_of(own, [](const ::lpu::Meaning &m) { return m.number != 0; });
  }
  if (!isStated) {
    entry.meanings.clear();
  }
  auto intentKey = [](const ::lpu::IntentRecord &r) {
    return std::tuple(r.consumerQueue, r.consumerIndex, r.operand,
                      r.producerQueue, r.producerIndex, r.producerOperand);
  };
  std::sort(entry.intent.begin(), entry.intent.end(),
            [&](const auto &a, const auto &b) { return intentKey(a) < intentKey(b); });
  return success();
}

FailureOr<Program> lpu::exportProgram(ModuleOp module) {
  auto name = module->getAttrOfType<StringAttr>("lpu.target");
  if (!name) {
    return module.emitError("expected `lpu.target` on the module");
  }
  absl::StatusOr<Target> target = Target::lookup(name.getValue().str());
  if (!target.ok()) {
    return module.emitError(std::string(target.status().message()));
  }
  return Exporter(module, Program(std::move(*target))).run();
}

static LogicalResult exportAssembly(Operation *op, llvm::raw_ostream &out) {
  auto module = dyn_cast<ModuleOp>(op);
  FailureOr<Program> program = failure();
  if (!module || failed(program = lpu::exportProgram(module))) {
    return failure();
  }
  absl::StatusOr<std::string> text = lpu::disassemble(*program, "");
  if (!text.ok()) {
    return op->emitError(std::string(text.status().message()));
  }
  out << *text;
  return success();
}

void lpu::registerExportAssembly() {
  static TranslateFromMLIRRegistration registration(
      "export-assembly", "a module at isa level as assembly text", exportAssembly,
      [](DialectRegistry &registry) { registry.insert<ISADialect>(); });
}
