#include "lpu/Support/AtomicFile.h"
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <sstream>

using namespace lpu;
namespace fs = std::filesystem;

namespace {
std::string read(const fs::path &path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

class AtomicFileTest : public testing::Test {
protected:
  void SetUp() override {
    folder = fs::path(testing::TempDir()) /
             ("atomic-" + std::to_string(getpid()));
    fs::create_directory(folder);
  }
  void TearDown() override { fs::remove_all(folder); }
  size_t countFiles() {
    return size_t(std::distance(fs::directory_iterator(folder), {}));
  }
  fs::path folder;
};
} // namespace

TEST_F(AtomicFileTest, AppearsWhenItIsWhole) {
  fs::path path = folder / "f";
  std::ofstream(path) << "old";
  AtomicFile file(path);
  file.write("new", 3);
  file.padTo(5);
  EXPECT_EQ(read(path), "old");
  EXPECT_TRUE(file.prepare().ok());
  EXPECT_EQ(read(path), "old");
  EXPECT_TRUE(file.commit().ok());
  EXPECT_EQ(read(path), std::string("new\0\0", 5));
  EXPECT_EQ(countFiles(), 1u);
}

TEST_F(AtomicFileTest, LeavesNothingWhereItIsGivenUp) {
  for (bool prepared : {false, true}) {
    AtomicFile file(folder / "f");
    file.write("new", 3);
    EXPECT_TRUE(!prepared || file.prepare().ok());
  }
  EXPECT_EQ(countFiles(), 0u);
}

TEST_F(AtomicFileTest, WritesToADevice) {
  AtomicFile file("/dev/null");
  file.write("new", 3);
  EXPECT_TRUE(file.commit().ok());
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
  AtomicFile full("/dev/full");
  full.write("new", 3);
  EXPECT_EQ(full.commit().message(), "/dev/full: cannot write: No space left on device");
  EXPECT_EQ(AtomicFile(folder).commit().message(),
            folder.string() + ": cannot write: Is a directory");
}
