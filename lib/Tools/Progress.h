//===- Progress.h - What a tool is doing, and for how long yet --*- C++ -*-===//
#ifndef LPU_LIB_TOOLS_PROGRESS_H
#define LPU_LIB_TOOLS_PROGRESS_H

#include "Statistics.h"
#include "llvm/Support/raw_ostream.h"
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace lpu {

/// Says what runs, with the time since the start: a line a stage, and in a stage a line a
/// second, which says how much is done and how long the rest will take where that is known.
/// On a terminal these are one line that changes. Keeps how long each stage took.
class Progress {
public:
  /// Nothing is said without `out`. `tick`: between the lines of a stage.
  Progress(llvm::raw_ostream *out, bool isTerminal,
           std::chrono::milliseconds tick = std::chrono::seconds(1));
  ~Progress();

  void stage(llvm::StringRef name);
  /// Share of the stage that is done, 0 to 1. From any thread.
  void update(double share);
  /// Makes room for another message on the terminal.
  void clearLine();

  /// The stages so far; the last one ends here.
  const StageTimes &getTimes();

private:
  double getSeconds() const;
  void finish(double now);
  void say(double now, llvm::StringRef text, bool stays);
  void sayRest();

  llvm::raw_ostream *out;
  bool isTerminal;
  std::chrono::milliseconds tick;
  std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
  std::mutex mutex; ///< of all that follows
  StageTimes stages; ///< the last one has its begin until it ends
  size_t finished = 0;
  double share = 0, updated = 0; ///< of the stage, and when that was known
  bool isOver = false;
  std::condition_variable end;
  std::thread ticker;
};

} // namespace lpu

#endif // LPU_LIB_TOOLS_PROGRESS_H
