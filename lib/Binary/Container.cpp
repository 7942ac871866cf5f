//===- Container.cpp - The file format ------------------------------------===//
//
// "LPUBIN\n\0", major, minor, header bytes, header crc (little-endian uint32
// each), the protobuf header, and segments at multiples of 4096.
//
//===----------------------------------------------------------------------===//

#include "absl/strings/str_cat.h"
#include "lpu/Binary/Program.h"
#include "lpu/Support/AtomicFile.h"
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <map>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

namespace lpu {
namespace {

constexpr char kMagic[8] = {'L', 'P', 'U', 'B', 'I', 'N', '\n', '\0'};
constexpr size_t kPreamble = sizeof(kMagic) + 4 * sizeof(uint32_t);
constexpr size_t kPage = 4096;
constexpr size_t kIntentBytes = 20, kMeaningBytes = 16; ///< of a record

size_t alignToPage(size_t size) { return (size + kPage - 1) / kPage * kPage; }

uint32_t crc(std::span<const uint8_t> bytes) {
  return uint32_t(crc32_z(0, bytes.data(), bytes.size()));
}

/// Gives raw bytes, which outlive it, segments; equal bytes share one.
class SegmentTable {
public:
  uint32_t add(std::span<const uint8_t> bytes) {
    uint32_t sum = crc(bytes);
    for (uint32_t other : byCrc[sum]) {
      if (segments[other].size() == bytes.size() &&
          std::equal(bytes.begin(), bytes.end(), segments[other].begin())) {
        return other;
      }
    }
    segments.push_back(bytes);
    sums.push_back(sum);
    byCrc[sum].push_back(uint32_t(segments.size() - 1));
    return uint32_t(segments.size() - 1);
  }
  std::vector<std::span<const uint8_t>> segments;
  std::vector<uint32_t> sums;

private:
  std::map<uint32_t, std::vector<uint32_t>> byCrc;
};

/// Little-endian 32-bit words.
class Words {
public:
  explicit Words(std::span<const uint8_t> bytes = {}) : at(bytes.data()) {}
  void put(uint32_t value) {
    for (int shift = 0; shift < 32; shift += 8) {
      bytes.push_back(uint8_t(value >> shift));
    }
  }
  uint32_t get() {
    uint32_t value = uint32_t(at[0]) | uint32_t(at[1]) << 8 | uint32_t(at[2]) << 16 |
                     uint32_t(at[3]) << 24;
    at += 4;
    return value;
  }
  std::vector<uint8_t> bytes;

private:
  const uint8_t *at;
};

std::vector<uint8_t> encodeIntent(const std::vector<IntentRecord> &intent) {
  Words words;
  for (const IntentRecord &record : intent) {
    words.put(record.consumerQueue);
    words.put(record.consumerIndex);
    words.put(record.operand | uint32_t(record.producerOperand) << 16);
    words.put(record.producerQueue);
    words.put(record.producerIndex);
  }
  return std::move(words.bytes);
}

std::vector<IntentRecord> decodeIntent(std::span<const uint8_t> bytes) {
  std::vector<IntentRecord> intent(bytes.size() / kIntentBytes);
  Words words(bytes);
  for (IntentRecord &record : intent) {
    record.consumerQueue = words.get();
    record.consumerIndex = words.get();
    uint32_t operands = words.get();
    record.operand = uint16_t(operands);
    record.producerOperand = uint16_t(operands >> 16);
    record.producerQueue = words.get();
    record.producerIndex = words.get();
  }
  return intent;
}

std::vector<uint8_t> encodeMeanings(const std::vector<Meaning> &meanings) {
  Words words;
  for (const Meaning &meaning : meanings) {
    words.put(meaning.number);
    words.put(meaning.operation);
    words.put(uint32_t(meaning.sources));
    words.put(uint32_t(meaning.sources >> 32));
  }
  return std::move(words.bytes);
}

std::vector<Meaning> decodeMeanings(std::span<const uint8_t> bytes) {
  std::vector<Meaning> meanings(bytes.size() / kMeaningBytes);
  Words words(bytes);
  for (Meaning &meaning : meanings) {
    meaning.number = words.get();
    meaning.operation = words.get();
    meaning.sources = words.get();
    meaning.sources |= uint64_t(words.get()) << 32;
  }
  return meanings;
}

ProgramHeader buildHeader(const Program &program, std::span<const EncodedEntry> entries,
                          SegmentTable &table) {
  ProgramHeader header;
  header.set_major(kBinaryMajor);
  header.set_minor(kBinaryMinor);
  header.set_producer(program.producer);
  *header.mutable_target() = program.target.description();
  for (const ImageBytes &image : program.image) {
    ImageRegion *region = header.add_image();
    *region = image.region;
    region->set_segment(0);
    if (image.region.kind() == WEIGHTS) {
      region->set_segment(table.add(image.bytes));
    }
    region->set_segment_offset(0);
  }
  for (const std::vector<uint16_t> &entries : program.tables) {
    Table *out = header.add_tables();
    for (uint16_t value : entries) {
      out->add_entries(value);
    }
  }
  for (const EncodedEntry &entry : entries) {
    Entry *out = header.add_entries();
    *out = entry.header;
    out->clear_queues();
    for (const EncodedEntry::Queue &queue : entry.queues) {
      QueueProgram *queueOut = out->add_queues();
      queueOut->set_queue(queue.number);
      queueOut->set_instructions(queue.instructions);
      queueOut->set_segment(table.add(queue.bytes));
    }
    out->set_intent_segment(table.add(entry.intent));
    out->set_intent_records(entry.intentRecords);
    if (!entry.meanings.empty()) {
      out->set_meaning_segment(table.add(entry.meanings));
      out->set_meanings(entry.meanings.size() / kMeaningBytes);
    }
  }
  return header;
}

std::string serialize(const ProgramHeader &header) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  header.SerializeToCodedStream(&coded);
  coded.Trim();
  return bytes;
}

/// Places the segments behind a header whose own size depends on the offsets.
std::string layOut(ProgramHeader &header, const SegmentTable &table) {
  size_t start = 0;
  for (std::string bytes;;) {
    size_t offset = start;
    header.clear_segments();
    for (size_t i = 0; i < table.segments.size(); ++i) {
      Segment *segment = header.add_segments();
      segment->set_offset(offset);
      segment->set_size(table.segments[i].size());
      segment->set_crc32(table.sums[i]);
      offset = alignToPage(offset + table.segments[i].size());
    }
    bytes = serialize(header);
    size_t needed = alignToPage(kPreamble + bytes.size());
    if (needed <= start) {
      return bytes;
    }
    start = needed;
  }
}

/// A read-only map of a whole file.
struct MappedFile {
  ~MappedFile() {
    if (size) {
      munmap(const_cast<uint8_t *>(data), size);
    }
  }
  static absl::StatusOr<std::shared_ptr<MappedFile>> map(const std::string &path) {
    int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) != 0) {
      std::string why = std::strerror(errno);
      if (fd >= 0) {
        close(fd);
      }
      return absl::NotFoundError(absl::StrCat(path, ": cannot read: ", why));
    }
    auto file = std::make_shared<MappedFile>();
    if (info.st_size > 0) {
      void *at = mmap(nullptr, size_t(info.st_size), PROT_READ, MAP_PRIVATE, fd, 0);
      if (at == MAP_FAILED) {
        close(fd);
        return absl::UnavailableError(
            absl::StrCat(path, ": cannot read: ", std::strerror(errno)));
      }
      file->data = static_cast<const uint8_t *>(at);
      file->size = size_t(info.st_size);
    }
    close(fd);
    return file;
  }
  const uint8_t *data = nullptr;
  size_t size = 0;
};

class Reader {
public:
  Reader(const std::string &path, std::shared_ptr<MappedFile> file)
      : path(path), file(std::move(file)) {}

  absl::StatusOr<Program> read() {
    if (absl::Status status = readHeader(); !status.ok()) {
      return status;
    }
    if (absl::Status status = checkSegments(); !status.ok()) {
      return status;
    }
    absl::StatusOr<Target> target = Target::create(header.target());
    if (!target.ok()) {
      return damaged(target.status().message());
    }
    Program program(*std::move(target));
    program.producer = header.producer();
    if (absl::Status status = readBody(program); !status.ok()) {
      return status;
    }
    if (absl::Status status = checkProgram(program); !status.ok()) {
      return damaged(status.message());
    }
    return program;
  }

private:
  absl::Status damaged(absl::string_view what) {
    return absl::DataLossError(absl::StrCat(path, ": damaged binary: ", what));
  }

  uint32_t word(size_t index) {
    uint32_t value;
    std::memcpy(&value, file->data + sizeof(kMagic) + 4 * index, 4);
    return value;
  }

  absl::Status readHeader() {
    if (file->size < kPreamble ||
        std::memcmp(file->data, kMagic, sizeof(kMagic)) != 0) {
      return absl::InvalidArgumentError(absl::StrCat(path, ": not an LPU binary"));
    }
    if (word(0) != kBinaryMajor || word(1) > kBinaryMinor) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": expected format version ", kBinaryMajor, ".0 to ",
                       kBinaryMajor, ".", kBinaryMinor, ", got ", word(0), ".", word(1)));
    }
    size_t size = word(2);
    if (kPreamble + size > file->size) {
      return damaged("the header is cut off");
    }
    std::span<const uint8_t> bytes(file->data + kPreamble, size);
    if (crc(bytes) != word(3)) {
      return damaged("wrong checksum of the header");
    }
    if (!header.ParseFromArray(bytes.data(), int(size))) {
      return damaged("the header does not parse");
    }
    return absl::OkStatus();
  }

  absl::Status checkSegments() {
    for (int i = 0; i < header.segments_size(); ++i) {
      const Segment &segment = header.segments(i);
      if (!segment.external_file().empty()) {
        return absl::UnimplementedError(absl::StrCat(
            path, ": segment ", i, " lies in an external file, which this reader does not load"));
      }
      if (segment.offset() % kPage != 0 || segment.offset() > file->size ||
          segment.size() > file->size - segment.offset()) {
        return damaged(absl::StrCat("segment ", i, " is cut off"));
      }
      if (crc({file->data + segment.offset(), segment.size()}) != segment.crc32()) {
        return damaged(absl::StrCat("wrong checksum of segment ", i));
      }
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::span<const uint8_t>> segment(uint32_t index) {
    if (index >= uint32_t(header.segments_size())) {
      return damaged(absl::StrCat("no segment ", index));
    }
    const Segment &s = header.segments(int(index));
    return std::span<const uint8_t>(file->data + s.offset(), s.size());
  }

  absl::Status readBody(Program &program) {
    for (const ImageRegion &region : header.image()) {
      ImageBytes image{region, {}, file};
      image.region.clear_segment();
      if (region.kind() == WEIGHTS) {
        auto bytes = segment(region.segment());
        if (!bytes.ok()) {
          return bytes.status();
        }
        image.bytes = *bytes;
      }
      program.image.push_back(std::move(image));
    }
    for (const Table &table : header.tables()) {
      program.tables.emplace_back(table.entries().begin(), table.entries().end());
    }
    for (const Entry &entry : header.entries()) {
      if (absl::Status status = readEntry(program, entry); !status.ok()) {
        return status;
      }
    }
    return absl::OkStatus();
  }

  absl::Status readEntry(Program &program, const Entry &entry) {
    EntryProgram out;
    out.header = entry;
    out.header.clear_queues();
    out.header.clear_intent_segment();
    out.header.clear_intent_records();
    out.header.clear_meaning_segment();
    out.header.clear_meanings();
    for (const QueueProgram &queue : entry.queues()) {
      if (queue.queue() >= program.target.numQueues()) {
        return damaged(absl::StrCat("entry ", entry.name(), ": no queue ", queue.queue()));
      }
      auto bytes = segment(queue.segment());
      if (!bytes.ok()) {
        return bytes.status();
      }
      auto stream = decodeQueue(program.target, program.target.queue(queue.queue()), *bytes);
      if (!stream.ok()) {
        return damaged(absl::StrCat("entry ", entry.name(), ": ", stream.status().message()));
      }
      if (stream->instructions.size() != queue.instructions()) {
        return damaged(absl::StrCat("entry ", entry.name(), ", queue ", queue.queue(),
                                    ": expected ", queue.instructions(),
                                    " instructions, got ", stream->instructions.size()));
      }
      out.queues.push_back(*std::move(stream));
    }
    auto bytes = segment(entry.intent_segment());
    if (!bytes.ok()) {
      return bytes.status();
    }
    if (bytes->size() != kIntentBytes * entry.intent_records()) {
      return damaged(absl::StrCat("entry ", entry.name(), ": intent section of the wrong size"));
    }
    out.intent = decodeIntent(*bytes);
    if (entry.meanings()) {
      auto meanings = segment(entry.meaning_segment());
      if (!meanings.ok()) {
        return meanings.status();
      }
      if (meanings->size() != kMeaningBytes * entry.meanings()) {
        return damaged(
            absl::StrCat("entry ", entry.name(), ": meaning section of the wrong size"));
      }
      out.meanings = decodeMeanings(*meanings);
    }
    program.entries.push_back(std::move(out));
    return absl::OkStatus();
  }

  std::string path;
  std::shared_ptr<MappedFile> file;
  ProgramHeader header;
};

} // namespace

absl::StatusOr<EncodedEntry> encodeEntry(const Target &target, const EntryProgram &entry) {
  EncodedEntry result;
  result.header = entry.header;
  for (const QueueStream &queue : entry.queues) {
    absl::StatusOr<std::vector<uint8_t>> bytes = encodeQueue(target, queue);
    if (!bytes.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("entry ", entry.header.name(), ": ",
                                                     bytes.status().message()));
    }
    result.queues.push_back({target.queueNumber(queue.queue),
                             uint32_t(queue.instructions.size()), *std::move(bytes)});
  }
  result.intent = encodeIntent(entry.intent);
  result.intentRecords = entry.intent.size();
  result.meanings = encodeMeanings(entry.meanings);
  return result;
}

absl::Status writeProgram(const Program &program, const std::string &path) {
  if (absl::Status status = checkProgram(program); !status.ok()) {
    return status;
  }
  std::vector<EncodedEntry> entries;
  for (const EntryProgram &entry : program.entries) {
    absl::StatusOr<EncodedEntry> encoded = encodeEntry(program.target, entry);
    if (!encoded.ok()) {
      return encoded.status();
    }
    entries.push_back(*std::move(encoded));
  }
  return writeProgram(program, entries, path);
}

absl::Status writeProgram(const Program &program, std::span<const EncodedEntry> entries,
                          const std::string &path) {
  SegmentTable table;
  ProgramHeader header = buildHeader(program, entries, table);
  std::string bytes = layOut(header, table);
  uint32_t words[4] = {
      kBinaryMajor, kBinaryMinor, uint32_t(bytes.size()),
      crc({reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()})};
  AtomicFile file(path);
  file.write(kMagic, sizeof(kMagic));
  file.write(words, sizeof(words));
  file.write(bytes.data(), bytes.size());
  for (size_t i = 0; i < table.segments.size(); ++i) {
    file.padTo(header.segments(int(i)).offset());
    file.write(table.segments[i].data(), table.segments[i].size());
  }
  return file.commit();
}

absl::StatusOr<Program> readProgram(const std::string &path) {
  absl::StatusOr<std::shared_ptr<MappedFile>> file = MappedFile::map(path);
  if (!file.ok()) {
    return file.status();
  }
  return Reader(path, *std::move(file)).read();
}

} // namespace lpu
