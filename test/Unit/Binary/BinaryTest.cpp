#include "lpu/Binary/Program.h"
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <random>
#include <sys/resource.h>

using namespace lpu;
namespace fs = std::filesystem;

namespace {

Instruction makeRead(int64_t addr) {
  Instruction read = Instruction::make(Opcode::Mem);
  read.set("r", 1);
  read.set("r_addr", addr);
  return read;
}

struct BinaryTest : testing::Test {
  BinaryTest() : dir(fs::temp_directory_path() / ("lpu-binary-" + std::to_string(getpid()))) {
    fs::create_directories(dir);
  }
  ~BinaryTest() override { fs::remove_all(dir); }
  std::string path(const char *name) const { return (dir / name).string(); }
  std::string slurp(const std::string &file) const {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void spit(const std::string &file, const std::string &bytes) const {
    std::ofstream(file, std::ios::binary) << bytes;
  }

  Program makeProgram() const {
    Program program(Target::lookup("tiny").value());
    auto bytes = std::make_shared<std::vector<uint8_t>>(2 * 32, uint8_t(7));
    ImageBytes image;
    image.region.set_kind(WEIGHTS);
    image.region.set_label("w");
    image.region.mutable_words()->set_slice(3);
    image.region.mutable_words()->set_first(5);
    image.region.mutable_words()->set_count(2);
    image.bytes = *bytes;
    image.owner = bytes;
    program.image.push_back(image);
    program.tables.emplace_back(32, 1);
    EntryProgram entry;
    entry.header.set_name("main");
    Instruction repeated = makeRead(5);
    repeated.repeat = {2, 3, 1, 0, {}};
    repeated.setStride("r_addr", 0, 1);
    entry.queues.push_back({{UnitKind::Mem, 3}, {{10, repeated}, {20, makeRead(6)}}});
    entry.intent.push_back({1, 2, 3, 4, 5, 6});
    entry.meanings = {{1, 0xfedcba98, 0x123456789abcdef0}, {2, 5, 6}};
    program.entries.push_back(entry);
    return program;
  }
  fs::path dir;
};

} // namespace

TEST_F(BinaryTest, queueRoundTrip) {
  Program program = makeProgram();
  const QueueStream &queue = program.entries[0].queues[0];
  auto bytes = encodeQueue(program.target, queue).value();
  EXPECT_EQ(decodeQueue(program.target, queue.queue, bytes)->instructions,
            queue.instructions);
}

TEST_F(BinaryTest, queueRefusesOverlapAndLargeFields) {
  Target target = Target::lookup("tiny").value();
  Instruction repeated = makeRead(0);
  repeated.repeat = {4, 2, 1, 0, {}};
  QueueStream queue{{UnitKind::Mem, 3}, {{10, repeated}, {16, makeRead(0)}}};
  EXPECT_EQ(encodeQueue(target, queue).status().message(),
            "queue mem.w3: mem at cycle 16 while the queue is busy up to cycle 16");
  queue.instructions = {{1, makeRead(70000)}};
  EXPECT_EQ(encodeQueue(target, queue).status().message(),
            "queue mem.w3, cycle 1: mem: field r_addr = 70000 does not fit its 16 bits");
}

TEST_F(BinaryTest, fileRoundTripAndEqualBytes) {
  Program program = makeProgram();
  ASSERT_TRUE(writeProgram(program, path("a.lpu")).ok());
  Program read = readProgram(path("a.lpu")).value();
  EXPECT_EQ(read.image[0].bytes[0], 7);
  EXPECT_EQ(read.tables, program.tables);
  EXPECT_EQ(read.entries[0].intent, program.entries[0].intent);
  EXPECT_EQ(read.entries[0].meanings, program.entries[0].meanings);
  EXPECT_EQ(read.entries[0].queues[0].instructions,
            program.entries[0].queues[0].instructions);
  ASSERT_TRUE(writeProgram(read, path("b.lpu")).ok());
  EXPECT_EQ(slurp(path("a.lpu")), slurp(path("b.lpu")));
}

TEST_F(BinaryTest, everyInstructionHasItsMeaningOrNone) {
  Program program = makeProgram();
  program.entries[0].meanings.pop_back();
  EXPECT_EQ(checkProgram(program).message(),
            "entry main: expected a meaning for each of 2 instructions, got 1");
  program.entries[0].meanings.clear();
  ASSERT_TRUE(writeProgram(program, path("n.lpu")).ok());
  EXPECT_TRUE(readProgram(path("n.lpu"))->entries[0].meanings.empty());
}

TEST_F(BinaryTest, damageIsNamed) {
  ASSERT_TRUE(writeProgram(makeProgram(), path("a.lpu")).ok());
  std::string good = slurp(path("a.lpu")), file = path("d.lpu");
  auto message = [&](std::string bytes) {
    spit(file, bytes);
    return std::string(readProgram(file).status().message());
  };
  EXPECT_EQ(message(""), file + ": not an LPU binary");
  EXPECT_EQ(message("ONNX" + good), file + ": not an LPU binary");
  std::string other = good;
  other[8] = 9;
  EXPECT_EQ(message(other), file + ": expected format version 1.0 to 1.2, got 9.2");
  other = good;
  other[30] ^= 1;
  EXPECT_EQ(message(other), file + ": damaged binary: wrong checksum of the header");
  other = good;
  other[4096] ^= 1;
  EXPECT_EQ(message(other), file + ": damaged binary: wrong checksum of segment 0");
  EXPECT_EQ(message(good.substr(0, 100)), file + ": damaged binary: the header is cut off");
  EXPECT_EQ(message(good.substr(0, 4100)), file + ": damaged binary: segment 0 is cut off");
  EXPECT_EQ(readProgram(path("none")).status().message(),
            path("none") + ": cannot read: No such file or directory");
}

TEST_F(BinaryTest, everyDamagedByteOfTheHeaderIsRefused) {
  ASSERT_TRUE(writeProgram(makeProgram(), path("a.lpu")).ok());
  std::string good = slurp(path("a.lpu"));
  uint32_t headerBytes;
  std::memcpy(&headerBytes, good.data() + 16, sizeof(headerBytes));
  std::mt19937 random(1);
  for (int i = 0; i < 300; ++i) {
    std::string bytes = good;
    size_t at = random() % (24 + headerBytes);
    bytes[at] ^= char(1 + random() % 255);
    spit(path("d.lpu"), bytes);
    EXPECT_FALSE(readProgram(path("d.lpu")).ok()) << "byte " << at;
  }
}

// A file-size limit stands for a full disk: nothing is left behind.
TEST_F(BinaryTest, fullDiskLeavesNothing) {
  auto writeWithLimit = [&] {
    signal(SIGXFSZ, SIG_IGN);
    rlimit limit;
    limit.rlim_cur = limit.rlim_max = 1000;
    setrlimit(RLIMIT_FSIZE, &limit);
    absl::Status status = writeProgram(makeProgram(), path("a.lpu"));
    std::exit(status.message() == path("a.lpu") + ": cannot write: File too large" ? 0 : 1);
  };
  EXPECT_EXIT(writeWithLimit(), testing::ExitedWithCode(0), "");
  EXPECT_TRUE(fs::is_empty(dir));
}

TEST_F(BinaryTest, structuralErrors) {
  auto message = [](const Program &program) {
    return std::string(checkProgram(program).message());
  };
  Program program = makeProgram();
  program.entries[0].queues[0].instructions[1].instruction.set("r_addr", 256);
  EXPECT_EQ(message(program), "entry main, queue mem.w3, cycle 20: mem: r_addr 256 of 256");
  program = makeProgram();
  program.entries[0].queues[0].instructions[1].instruction.set("r_id", 40);
  EXPECT_EQ(message(program), "entry main, queue mem.w3, cycle 20: mem: stream id 40 of 32");
  program = makeProgram();
  program.entries[0].queues[0].queue = {UnitKind::Vxm, 1};
  EXPECT_EQ(message(program), "entry main, queue vxm.1, cycle 10: mem belongs to mem queues");
  program = makeProgram();
  program.image.push_back(program.image[0]);
  program.image[1].region.set_label("v");
  EXPECT_EQ(message(program), "regions \"w\" and \"v\" overlap");
  program = makeProgram();
  ImageRegion &derived = *program.entries[0].header.add_scratch();
  derived = program.image[0].region;
  derived.set_kind(DERIVED);
  derived.set_label("positions");
  EXPECT_NE(message(program).find("entry main: regions "), std::string::npos);
  program = makeProgram();
  program.tables[0].pop_back();
  EXPECT_EQ(message(program), "table 0: expected 32 entries, got 31");
}
