#include "lpu/Support/AtomicFile.h"
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <set>
#include <sstream>
#include <sys/file.h>
#include <sys/wait.h>

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

TEST_F(AtomicFileTest, RemovesWhatDeadProcessesLeft) {
  fs::path path = folder / "f";
  std::set<std::string> others{"f.tmp.2", "f.tmp.", "f.tmp.x", "f.tmp.1x", "g.tmp.1", "ff.tmp.1"};
  for (const std::string &name : others) {
    std::ofstream(folder / name) << "another's";
  }
  std::ofstream(folder / "f.tmp.1") << "stale";
  std::ofstream(folder / ("f.tmp." + std::to_string(getpid()))) << "stale";
  // That of a live process is locked.
  int live = open((folder / "f.tmp.2").c_str(), O_RDONLY);
  ASSERT_EQ(flock(live, LOCK_EX), 0);
  AtomicFile file(path);
  file.write("new", 3);
  EXPECT_TRUE(file.commit().ok());
  EXPECT_EQ(read(path), "new");
  close(live);
  others.insert("f");
  std::set<std::string> names;
  for (const auto &entry : fs::directory_iterator(folder)) {
    names.insert(entry.path().filename());
  }
  EXPECT_EQ(names, others);
}

TEST_F(AtomicFileTest, LeavesTheWholeFileOrNothingWhenKilled) {
  // The first of a name has no temporary one: SIGKILL at any time leaves nothing else.
  std::string content(1 << 16, 'x');
  for (int k = 0; k < 60; ++k) {
    int ready[2];
    ASSERT_EQ(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
      AtomicFile file(folder / "f");
      file.write(content.data(), content.size());
      if (!file.prepare().ok() || write(ready[1], "r", 1) != 1) {
        _exit(1);
      }
      _exit(file.commit().ok() ? 0 : 1);
    }
    char byte;
    ASSERT_EQ(::read(ready[0], &byte, 1), 1);
    usleep(useconds_t(k % 20));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    close(ready[0]);
    close(ready[1]);
    size_t files = countFiles();
    ASSERT_LE(files, 1u);
    if (files == 1) {
      ASSERT_EQ(read(folder / "f"), content);
      fs::remove(folder / "f");
    }
  }
}

TEST_F(AtomicFileTest, TwoOfOneNameBothAppearWhole) {
  fs::path path = folder / "f";
  AtomicFile first(path), second(path);
  first.write("first", 5);
  second.write("second", 6);
  EXPECT_TRUE(first.commit().ok());
  EXPECT_EQ(read(path), "first");
  EXPECT_TRUE(second.commit().ok());
  EXPECT_EQ(read(path), "second");
  EXPECT_EQ(countFiles(), 1u);
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
