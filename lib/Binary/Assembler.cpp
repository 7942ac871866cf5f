//===- Assembler.cpp - Assembly text to Program ---------------------------===//

#include "AssemblyNames.h"
#include "AssemblyWords.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "lpu/Binary/Assembly.h"
#include "lpu/Binary/Intent.h"
#include "lpu/Support/Elements.h"
#include "lpu/Support/Strings.h"
#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>

namespace lpu {
namespace {

class Assembler : AssemblyWords {
public:
  Assembler(std::string_view text, std::string_view file) : AssemblyWords(file), text(text) {}

  absl::StatusOr<Program> run() {
    for (absl::string_view lineText : absl::StrSplit(toAbsl(text), '\n')) {
      if (readWords(lineText) && !words.empty()) {
        readLine();
      }
      if (!status.ok()) {
        return status;
      }
    }
    if (!program) {
      fail("expected a line `target NAME`");
      return status;
    }
    finishEntry();
    if (!status.ok()) {
      return status;
    }
    if (absl::Status bad = checkProgram(*program); !bad.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(toAbsl(file), ": ", bad.message()));
    }
    return *std::move(program);
  }

private:
  QueueId nextQueue() {
    std::string word = next("a queue");
    return status.ok() ? parseQueue(word) : QueueId{};
  }
  QueueId parseQueue(absl::string_view word) {
    absl::StatusOr<QueueId> queue = program->target.parseQueue({word.data(), word.size()});
    if (!queue.ok()) {
      --at;
      fail(std::string(queue.status().message()));
      return {};
    }
    return *queue;
  }
  uint32_t parseSlice(absl::string_view word) {
    QueueId queue = parseQueue(word);
    if (status.ok() && queue.kind != UnitKind::Mem) {
      --at;
      fail(absl::StrCat("expected a mem slice, got `", word, "`"));
    }
    return queue.index;
  }

  // --- lines -------------------------------------------------------------------
  void readLine() {
    std::string word = next("a statement");
    if (word == "target") {
      return readTarget();
    }
    if (!program) {
      at = 0;
      return fail("expected a line `target NAME` first");
    }
    if (word == "table") {
      return readTable();
    }
    if (word == "image") {
      return readImage();
    }
    if (word == "producer") {
      program->producer = next("a name");
      return;
    }
    if (word == "entry") {
      finishEntry();
      program->entries.emplace_back();
      program->entries.back().header.set_name(next("a name"));
      return;
    }
    if (program->entries.empty()) {
      at = 0;
      return fail("expected target, table, image, producer or entry, got `" + word + "`");
    }
    readEntryLine(word);
  }

  void readEntryLine(const std::string &word) {
    EntryProgram &entry = program->entries.back();
    if (word[0] == '@') {
      return readInstruction(word);
    }
    if (word == "queue") {
      entry.queues.push_back({nextQueue(), {}});
    } else if (word == "intent") {
      readIntent();
    } else if (word == "region") {
      ImageRegion *region = entry.header.add_scratch();
      readRegion(*region);
      if (status.ok() && region->kind() < SCRATCH) {
        fail("expected scratch, input, output or derived in an entry");
      }
    } else if (word == "tensor") {
      readTensor();
    } else if (word == "integer") {
      readInteger();
    } else if (word == "derive") {
      readDerived();
    } else if (word == "counter") {
      entry.header.add_counters(next("a name"));
    } else if (word == "cycles") {
      entry.header.set_cycles(uint64_t(nextInteger("a number of cycles")));
    } else if (word == "lower_bound") {
      entry.header.set_lower_bound(uint64_t(nextInteger("a number of cycles")));
    } else {
      at = 0;
      fail("no statement is called `" + word + "`");
    }
    checkEnd();
  }

  void readTarget() {
    std::string name = next("a name");
    bool isDescribed = accept("described");
    absl::StatusOr<Target> target =
        isDescribed ? Target::parse(next("a description")) : Target::lookup(name);
    if (target.ok() && isDescribed && target->name() != name) {
      target = absl::InvalidArgumentError(
          absl::StrCat("expected the description of ", name, ", got that of ",
                       target->description().name()));
    }
    if (!target.ok()) {
      --at;
      return fail(std::string(target.status().message()));
    }
    if (program) {
      return fail("expected one target");
    }
    program.emplace(*std::move(target));
    checkEnd();
  }

  void readTable() {
    std::vector<uint16_t> entries;
    while (!atEnd() && status.ok()) {
      entries.push_back(uint16_t(nextInteger("a table entry")));
    }
    program->tables.push_back(std::move(entries));
  }

  // KIND SLICE bank B words FIRST..LAST "label"
  void readRegion(ImageRegion &region) {
    region.set_kind(RegionKind(nextName(kRegionKinds, "a kind of region")));
    WordRange *range = region.mutable_words();
    std::string slice = next("a slice");
    if (!status.ok()) {
      return;
    }
    range->set_slice(parseSlice(slice));
    expect("bank");
    range->set_bank(uint32_t(nextInteger("a bank")));
    expect("words");
    std::vector<std::string> ends = absl::StrSplit(next("words FIRST..LAST"), "..");
    if (!status.ok()) {
      return;
    }
    if (ends.size() != 2) {
      --at;
      return fail("expected words FIRST..LAST");
    }
    int64_t first = parseInteger(ends[0], "the first word");
    int64_t last = parseInteger(ends[1], "the last word");
    if (status.ok() && (last < first || first < 0 || last > UINT16_MAX)) {
      --at;
      return fail("expected words FIRST..LAST in ascending order");
    }
    range->set_first(uint32_t(first));
    range->set_count(uint32_t(last - first + 1));
    if (!atEnd() && words[at].text != "=") {
      region.set_label(next("a label"));
    }
  }

  void readImage() {
    ImageBytes image;
    readRegion(image.region);
    if (!status.ok()) {
      return;
    }
    if (image.region.kind() > PADDING) {
      return fail("expected weights, state or padding outside of entries");
    }
    if (image.region.kind() == WEIGHTS) {
      expect("=");
      auto bytes = std::make_shared<std::vector<uint8_t>>();
      readBytes(*bytes, size_t(image.region.words().count()) * program->target.lanes());
      image.bytes = *bytes;
      image.owner = bytes;
    }
    program->image.push_back(std::move(image));
    checkEnd();
  }

  // hex DIGITS... | fill VALUE | iota | file "name" offset N
  void readBytes(std::vector<uint8_t> &bytes, size_t size) {
    std::string how = next("hex, fill, iota or file");
    if (how == "hex") {
      std::string digits;
      while (!atEnd()) {
        digits += next("hex digits");
      }
      std::string raw;
      bool isHex = std::all_of(digits.begin(), digits.end(),
                               [](unsigned char c) { return std::isxdigit(c); });
      if (digits.size() != 2 * size || !isHex) {
        --at;
        return fail(absl::StrCat("expected ", size, " bytes of hex digits, got ",
                                 digits.size(), " characters"));
      }
      raw = absl::HexStringToBytes(digits);
      bytes.assign(raw.begin(), raw.end());
    } else if (how == "fill") {
      bytes.assign(size, uint8_t(nextInteger("a byte")));
    } else if (how == "iota") {
      for (size_t i = 0; i < size; ++i) {
        bytes.push_back(uint8_t(i));
      }
    } else if (how == "file") {
      std::string name = next("a file name");
      expect("offset");
      int64_t offset = nextInteger("an offset");
      std::ifstream in(name, std::ios::binary);
      bytes.resize(size);
      in.seekg(offset);
      if (status.ok() && !in.read(reinterpret_cast<char *>(bytes.data()), std::streamsize(size))) {
        fail(absl::StrCat("cannot read ", size, " bytes at ", offset, " of ", name));
      }
    } else if (status.ok()) {
      --at;
      fail("expected hex, fill, iota or file, got `" + how + "`");
    }
  }

  // planes SLICE:BANK:FIRST...
  template <typename Message> void readPlanes(Message &message) {
    expect("planes");
    while (!atEnd() && status.ok() && words[at].text != "runs" && words[at].text != "chunk" &&
           words[at].text != "=") {
      std::vector<std::string> parts = absl::StrSplit(next("a byte plane"), ':');
      if (parts.size() != 3) {
        --at;
        return fail("expected SLICE:BANK:FIRST");
      }
      BytePlane *plane = message.add_byte_planes();
      plane->set_slice(parseSlice(parts[0]));
      plane->set_bank(uint32_t(parseInteger(parts[1], "a bank")));
      plane->set_first(uint32_t(parseInteger(parts[2], "a word")));
    }
  }

  template <typename Message> void readShape(Message &message) {
    expect("shape");
    std::string text = next("a shape");
    if (text == "scalar") {
      return;
    }
    for (const std::string &extent : std::vector<std::string>(absl::StrSplit(text, 'x'))) {
      message.add_shape(status.ok() ? parseInteger(extent, "an extent") : 0);
    }
  }

  // layout lanes DIMENSION vector WORDS offset WORD words COUNT strides WORDSxWORDS
  void readLayout(TensorBinding &binding) {
    Layout &layout = *binding.mutable_layout();
    expect("lanes");
    layout.set_lane_dim(int32_t(nextInteger("a dimension")));
    expect("vector");
    layout.set_vector_stride(nextInteger("a number of words"));
    expect("offset");
    layout.set_offset(nextInteger("a word"));
    expect("words");
    layout.set_words(uint64_t(nextInteger("a number of words")));
    if (!accept("strides")) {
      return; // of a scalar
    }
    for (const std::string &stride :
         std::vector<std::string>(absl::StrSplit(next("strides"), 'x'))) {
      layout.add_word_strides(status.ok() ? parseInteger(stride, "a number of words") : 0);
    }
  }

  void readTensor() {
    Entry &header = program->entries.back().header;
    bool output = accept("output");
    if (!output) {
      expect("input");
    }
    TensorBinding *binding = output ? header.add_outputs() : header.add_inputs();
    binding->set_name(next("a name"));
    binding->set_type(ElementType(nextName(kElementTypeNames, "an element type")));
    expect("as");
    binding->set_stored_as(ElementType(nextName(kElementTypeNames, "an element type")));
    readShape(*binding);
    if (accept("layout")) {
      readLayout(*binding);
    } else {
      expect("rows");
      binding->set_rows(uint32_t(nextInteger("a number of rows")));
      expect("columns");
      binding->set_columns(uint32_t(nextInteger("a number of columns")));
      expect("vectors");
      binding->set_vectors(uint32_t(nextInteger("a number of vectors")));
      expect("stride");
      binding->set_row_stride(uint32_t(nextInteger("a number of words")));
    }
    readPlanes(*binding);
    if (accept("chunk")) {
      binding->set_chunk_words(uint32_t(nextInteger("a number of words")));
    }
    if (accept("runs")) {
      while (!atEnd() && status.ok()) {
        std::vector<std::string> parts = absl::StrSplit(next("a lane run"), ':');
        if (parts.size() != 4) {
          --at;
          return fail("expected COLUMN:COUNT:VECTOR:LANE");
        }
        LaneRun *run = binding->add_lane_runs();
        run->set_column(uint32_t(parseInteger(parts[0], "a column")));
        run->set_count(uint32_t(parseInteger(parts[1], "a count")));
        run->set_vector(uint32_t(parseInteger(parts[2], "a vector")));
        run->set_lane(uint32_t(parseInteger(parts[3], "a lane")));
      }
    }
  }

  void readInteger() {
    IntegerInput *input = program->entries.back().header.add_integer_inputs();
    input->set_name(next("a name"));
    input->set_type(ElementType(nextName(kElementTypeNames, "an element type")));
    readShape(*input);
    if (accept("min")) {
      input->set_bounded(true);
      input->set_min(nextInteger("a bound"));
      expect("max");
      input->set_max(nextInteger("a bound"));
    }
  }

  void readDerived() {
    DerivedInput *input = program->entries.back().header.add_derived_inputs();
    input->set_name(next("a name"));
    expect("rows");
    input->set_rows(uint32_t(nextInteger("a number of rows")));
    expect("stride");
    input->set_row_stride(uint32_t(nextInteger("a number of words")));
    readPlanes(*input);
    expect("=");
    while (!atEnd() && status.ok()) {
      DerivedStep *step = input->add_steps();
      step->set_op(DerivedStep::Op(nextName(kDerivedOps, "an integer operation")));
      if (step->op() == DerivedStep::CONSTANT || step->op() == DerivedStep::INPUT) {
        step->set_value(nextInteger("a value"));
      }
    }
  }

  // --- instructions ------------------------------------------------------------
  void readInstruction(const std::string &word) {
    EntryProgram &entry = program->entries.back();
    if (entry.queues.empty()) {
      return fail("expected a line `queue NAME` before instructions");
    }
    int64_t cycle = parseInteger(absl::string_view(word).substr(1), "a cycle");
    std::string mnemonic = next("a mnemonic");
    const InstructionInfo *info = lookupMnemonic(mnemonic);
    if (!status.ok()) {
      return;
    }
    if (!info || info->opcode == Opcode::Nop) {
      --at;
      return fail("no instruction is called `" + mnemonic + "`");
    }
    Instruction instruction = Instruction::make(info->opcode);
    std::vector<bool> given(info->fields.size());
    while (!atEnd() && status.ok()) {
      if (accept("repeat")) {
        Repeat &r = instruction.repeat;
        for (uint32_t *value : {&r.n, &r.d, &r.m, &r.e}) {
          *value = uint32_t(nextInteger("n d m e"));
        }
      } else if (accept("stride")) {
        readStride(instruction);
      } else if (accept("meant")) {
        readMeaning(entry);
      } else {
        readField(instruction, given);
      }
    }
    for (size_t i = 0; i < given.size() && status.ok(); ++i) {
      if (!given[i] && info->fields[i].defaultValue == INT64_MIN) {
        fail(absl::StrCat("expected field ", toAbsl(info->fields[i].name), " of ", mnemonic));
      }
    }
    entry.queues.back().instructions.push_back({cycle, std::move(instruction)});
  }

  // NUMBER:OPERATION:SOURCES, the digests in hex
  void readMeaning(EntryProgram &entry) {
    std::vector<std::string> parts = absl::StrSplit(next("NUMBER:OPERATION:SOURCES"), ':');
    uint64_t operation = 0, sources = 0;
    if (status.ok() && (parts.size() != 3 || !absl::SimpleHexAtoi(parts[1], &operation) ||
                        !absl::SimpleHexAtoi(parts[2], &sources) || operation > UINT32_MAX)) {
      --at;
      return fail("expected NUMBER:OPERATION:SOURCES");
    }
    entry.meanings.push_back({status.ok() ? uint32_t(parseInteger(parts[0], "a number")) : 0,
                              uint32_t(operation), sources});
  }

  void readStride(Instruction &instruction) {
    std::string name = next("a field");
    int index = instruction.info().fieldIndex(name);
    if (index < 0 || !instruction.info().fields[size_t(index)].strided) {
      --at;
      return fail(absl::StrCat("no strided field of ", toAbsl(instruction.info().mnemonic),
                               " is called `", name, "`"));
    }
    int64_t outer = nextInteger("an outer stride");
    instruction.setStride(name, int32_t(outer), int32_t(nextInteger("an inner stride")));
  }

  void readField(Instruction &instruction, std::vector<bool> &given) {
    std::pair<std::string, std::string> parts = absl::StrSplit(next("a field"), absl::MaxSplits('=', 1));
    int index = instruction.info().fieldIndex(parts.first);
    if (index < 0) {
      --at;
      return fail(absl::StrCat(toAbsl(instruction.info().mnemonic), " has no field `", parts.first, "`"));
    }
    const FieldInfo &field = instruction.info().fields[size_t(index)];
    given[size_t(index)] = true;
    int64_t &value = instruction.fields[size_t(index)];
    if (std::optional<int64_t> named = parseEnum(field.kind, parts.second)) {
      value = *named;
      return;
    }
    // 1.5f: the bits of an fp32 number.
    float number;
    absl::string_view digits = parts.second;
    if (field.bits == 32 && digits.size() > 1 && digits.back() == 'f' &&
        digits.substr(0, 2) != "0x" &&
        absl::SimpleAtof(digits.substr(0, digits.size() - 1), &number)) {
      uint32_t bits;
      std::memcpy(&bits, &number, sizeof(bits));
      value = bits;
      return;
    }
    value = parseInteger(parts.second, "a value");
  }

  // intent auto | intent PRODUCER[INDEX].RESULT -> CONSUMER[INDEX].OPERAND
  void readIntent() {
    if (accept("auto")) {
      autoIntent = true;
      return;
    }
    IntentRecord record;
    readEnd(record.producerQueue, record.producerIndex, record.producerOperand);
    expect("->");
    readEnd(record.consumerQueue, record.consumerIndex, record.operand);
    program->entries.back().intent.push_back(record);
  }

  void readEnd(uint32_t &queue, uint32_t &index, uint16_t &operand) {
    std::string word = next("QUEUE[INDEX].OPERAND");
    size_t open = word.find('['), close = word.find("].");
    if (!status.ok()) {
      return;
    }
    if (open == std::string::npos || close == std::string::npos || close < open) {
      --at;
      return fail("expected QUEUE[INDEX].OPERAND, got `" + word + "`");
    }
    QueueId id = parseQueue(word.substr(0, open));
    queue = status.ok() ? program->target.queueNumber(id) : 0;
    index = uint32_t(parseInteger(word.substr(open + 1, close - open - 1), "an index"));
    operand = uint16_t(parseInteger(word.substr(close + 2), "an operand"));
  }

  void finishEntry() {
    if (program && !program->entries.empty() && autoIntent) {
      absl::Status derived = deriveIntent(program->target, program->entries.back());
      if (!derived.ok()) {
        status = absl::InvalidArgumentError(absl::StrCat(
            toAbsl(file), ": entry ", program->entries.back().header.name(),
            ": intent auto: ", derived.message()));
        return;
      }
    }
    autoIntent = false;
  }

  std::string_view text;
  std::optional<Program> program;
  bool autoIntent = false;
};

} // namespace

absl::StatusOr<Program> assemble(std::string_view text, std::string_view file) {
  return Assembler(text, file).run();
}

absl::StatusOr<Program> loadProgram(const std::string &path) {
  if (!path.ends_with(".lpuasm")) {
    return readProgram(path);
  }
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file) {
    return absl::NotFoundError(absl::StrCat(path, ": cannot read"));
  }
  return assemble(text, path);
}

} // namespace lpu
