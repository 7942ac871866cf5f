//===- main.cpp - lpu-mutate ----------------------------------------------===//
//
// Changes a binary in one place at a time and asks the judges (docs/Verifier.md).
//
//===----------------------------------------------------------------------===//

#include "Judges.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "lpu/Binary/Assembly.h"
#include <algorithm>
#include <array>
#include <atomic>
#include <iostream>
#include <mutex>
#include <numeric>
#include <random>
#include <thread>

using namespace lpu;
using namespace lpu::mutation;

namespace {

constexpr const char *kUsage =
    "usage: lpu-mutate PROGRAM [--entry NAME] [--sample N] [--seed S] [--jobs N]\n"
    "                  [--list-no-effect] [--ignore-meanings]\n"
    "  changes PROGRAM in one place at a time, everywhere or in N places of an entry, and\n"
    "  prints which judge stops how many; exit code 1 where one is neither stopped nor proved\n"
    "  to have no effect\n";

struct Options {
  std::string path, entry;
  uint64_t sample = 0, seed = 1, jobs = 1;
  bool listsNoEffect = false, withMeanings = true;
};

bool parse(int argc, char **argv, Options &options) {
  for (int k = 1; k < argc; ++k) {
    std::string argument = argv[k];
    std::string value = k + 1 < argc ? argv[k + 1] : "";
    uint64_t *number = argument == "--sample" ? &options.sample
                       : argument == "--seed" ? &options.seed
                       : argument == "--jobs" ? &options.jobs
                                              : nullptr;
    if (number) {
      if (!absl::SimpleAtoi(value, number)) {
        return false;
      }
      ++k;
    } else if (argument == "--entry" && !value.empty()) {
      options.entry = value;
      ++k;
    } else if (argument == "--list-no-effect") {
      options.listsNoEffect = true;
    } else if (argument == "--ignore-meanings") {
      options.withMeanings = false;
    } else if (argument[0] == '-' || !options.path.empty()) {
      return false;
    } else {
      options.path = argument;
    }
  }
  return !options.path.empty() && options.jobs > 0;
}

/// What became of the mutations, by kind and by violated rule.
struct Results {
  using Row = std::array<uint64_t, kVerdicts>;
  std::map<std::string, Row> kinds;
  std::map<std::string, uint64_t> rules;
  std::vector<std::string> slipped, withoutEffect;

  void add(const Results &other) {
    for (const auto &[kind, row] : other.kinds) {
      for (size_t k = 0; k < kVerdicts; ++k) {
        kinds[kind][k] += row[k];
      }
    }
    for (const auto &[rule, count] : other.rules) {
      rules[rule] += count;
    }
    slipped.insert(slipped.end(), other.slipped.begin(), other.slipped.end());
    withoutEffect.insert(withoutEffect.end(), other.withoutEffect.begin(),
                         other.withoutEffect.end());
  }

  void print() const {
    constexpr const char *kHead[] = {"mutation", "reader", "verifier", "executor", "unused",
                                     "no effect", "SLIPPED", "all"};
    auto printRow = [](const std::string &name, const Row &row) {
      std::cout << absl::StrFormat("%-16s", name);
      for (uint64_t count : row) {
        std::cout << absl::StrFormat(" %10d", count);
      }
      std::cout << absl::StrFormat(" %10d\n", std::accumulate(row.begin(), row.end(), uint64_t(0)));
    };
    std::cout << absl::StrFormat("%-16s", kHead[0]);
    for (size_t k = 1; k < kVerdicts + 2; ++k) {
      std::cout << absl::StrFormat(" %10s", kHead[k]);
    }
    std::cout << "\n";
    Row sum = {};
    for (const auto &[kind, row] : kinds) {
      printRow(kind, row);
      for (size_t k = 0; k < kVerdicts; ++k) {
        sum[k] += row[k];
      }
    }
    printRow("all", sum);
    std::cout << "first violated rule:";
    for (const auto &[rule, count] : rules) {
      std::cout << " " << rule << " " << count;
    }
    std::cout << "\n";
  }
};

/// "T5" of "...; violates (T5)".
std::string getRule(const std::string &message) {
  size_t open = message.rfind('('), close = message.rfind(')');
  return open < close && close != std::string::npos ? message.substr(open + 1, close - open - 1)
                                                    : "none";
}

Results judgeAll(const Judges &judges, const Program &program,
                 const std::vector<Mutation> &mutations, uint64_t jobs) {
  Results all;
  std::mutex mutex;
  std::atomic<size_t> next = 0;
  auto work = [&] {
    Program changed = program;
    Results own;
    for (size_t k; (k = next++) < mutations.size();) {
      Mutation back = invert(changed, mutations[k]);
      std::string kind = getKind(changed, mutations[k]);
      apply(changed, mutations[k]);
      Judgement judgement = judges.judge(changed, mutations[k]);
      apply(changed, back);
      ++own.kinds[kind][size_t(judgement.verdict)];
      if (judgement.verdict == Verdict::Verifier) {
        ++own.rules[getRule(judgement.reason)];
      } else if (judgement.verdict >= Verdict::NoEffect) {
        std::string text = describe(changed, mutations[k]);
        bool isSlipped = judgement.verdict == Verdict::Slipped;
        (isSlipped ? own.slipped : own.withoutEffect)
            .push_back(isSlipped ? absl::StrCat(text, ": ", judgement.reason) : text);
      }
    }
    std::lock_guard lock(mutex);
    all.add(own);
  };
  std::vector<std::thread> threads;
  for (uint64_t k = 1; k < jobs; ++k) {
    threads.emplace_back(work);
  }
  work();
  for (std::thread &thread : threads) {
    thread.join();
  }
  std::sort(all.slipped.begin(), all.slipped.end());
  std::sort(all.withoutEffect.begin(), all.withoutEffect.end());
  return all;
}

int fail(const std::string &message) {
  std::cerr << "lpu-mutate: " << message << "\n";
  return 2;
}

} // namespace

int main(int argc, char **argv) {
  Options options;
  if (!parse(argc, argv, options)) {
    std::cerr << kUsage;
    return 2;
  }
  absl::StatusOr<Program> loaded = loadProgram(options.path);
  if (!loaded.ok()) {
    return fail(std::string(loaded.status().message()));
  }
  auto program = std::make_shared<const Program>(*std::move(loaded));
  if (!options.entry.empty() && !program->findEntry(options.entry)) {
    return fail(absl::StrCat(options.path, ": no entry '", options.entry, "'"));
  }
  absl::StatusOr<Judges> judges = Judges::create(program, options.seed, options.withMeanings);
  if (!judges.ok()) {
    return fail(absl::StrCat(options.path, ": ", judges.status().message()));
  }
  Results results;
  for (uint32_t index = 0; index < program->entries.size(); ++index) {
    if (!options.entry.empty() && program->entries[index].header.name() != options.entry) {
      continue;
    }
    std::vector<Mutation> mutations = enumerate(*program, index);
    if (options.sample > 0 && options.sample < mutations.size()) {
      std::mt19937_64 random(options.seed);
      std::vector<Mutation> sample;
      std::sample(mutations.begin(), mutations.end(), std::back_inserter(sample), options.sample,
                  random);
      mutations = std::move(sample);
    }
    results.add(judgeAll(*judges, *program, mutations, options.jobs));
  }
  results.print();
  for (const std::string &text : results.withoutEffect) {
    if (options.listsNoEffect) {
      std::cout << "no effect: " << text << "\n";
    }
  }
  for (const std::string &text : results.slipped) {
    std::cout << "SLIPPED: " << text << "\n";
  }
  return results.slipped.empty() ? 0 : 1;
}
