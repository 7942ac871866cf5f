//===- Issues.cpp - A program's issues, in time ---------------------------===//

#include "Issues.h"

using namespace lpu;
using namespace lpu::verifier;

void EntryVerifier::collect() {
  for (const QueueStream &queue : entry.queues) {
    for (uint32_t index = 0; index < queue.instructions.size(); ++index) {
      placed.push_back({queue.queue, target.queueNumber(queue.queue), index,
                        &queue.instructions[index]});
    }
  }
  const Placed *previous = nullptr;
  for (const Placed &p : placed) {
    const Repeat &repeat = p.in().repeat;
    Issue first{&p, 0, 0, p.timed->cycle};
    if (previous && previous->queueNumber == p.queueNumber &&
        p.timed->cycle <= previous->timed->cycle + previous->in().repeat.span()) {
      report(first, "the queue is busy with " + describe(*previous), "Q4");
    }
    if ((repeat.n > 1 && repeat.d < 1) ||
        (repeat.m > 1 && int64_t(repeat.e) <= int64_t(repeat.n - 1) * repeat.d)) {
      report(first, "issues of the Repeat are not in rising cycles", "Q4");
    }
    if (p.timed->cycle < 0) {
      report(first, "issued before cycle 0", "Q1");
    }
    issues += uint64_t(repeat.n) * repeat.m;
    note(p.timed->cycle + repeat.span());
    previous = &p;
  }
  collectIntent();
  collectMeanings();
}

void EntryVerifier::collectIntent() {
  auto consumer = [](const auto &x) { return std::pair(x.consumerQueue, x.consumerIndex); };
  for (const IntentRecord &record : entry.intent) {
    intent.push_back(&record);
  }
  std::stable_sort(intent.begin(), intent.end(),
                   [&](auto *a, auto *b) { return consumer(*a) < consumer(*b); });
  isUsed.resize(intent.size());
  auto isBefore = [&](auto *record, auto own) { return consumer(*record) < own; };
  size_t record = 0;
  for (Placed &p : placed) {
    std::pair<uint32_t, uint32_t> own(p.queueNumber, p.index);
    if (p.index == 0) {
      record = size_t(std::lower_bound(intent.begin(), intent.end(), own, isBefore) -
                      intent.begin());
    }
    p.firstRecord = uint32_t(record);
    while (record < intent.size() && consumer(*intent[record]) == own) {
      ++record;
    }
    p.lastRecord = uint32_t(record);
  }
}

void EntryVerifier::collectMeanings() {
  sources.resize(placed.size());
  auto reportEntry = [&](const std::string &what) {
    violations.push_back({INT64_MAX, absl::StrCat("entry ", entry.header.name(), ": ", what,
                                                  "; violates (I1)")});
  };
  if (entry.meanings.size() != placed.size()) {
    reportEntry(absl::StrCat("expected a meaning for each of ", placed.size(),
                             " instructions, got ", entry.meanings.size()));
    return;
  }
  std::vector<uint32_t> numbers;
  for (size_t k = 0; k < placed.size(); ++k) {
    const Meaning &meant = entry.meanings[k];
    placed[k].number = meant.number;
    numbers.push_back(meant.number);
    if (meaning::getOperation(placed[k].in()) != meant.operation) {
      report({&placed[k], 0, 0, placed[k].timed->cycle},
             "this is not the operation that was meant", "I2");
    }
  }
  std::sort(numbers.begin(), numbers.end());
  for (size_t k = 0; k < numbers.size(); ++k) {
    if (numbers[k] == 0 || (k > 0 && numbers[k] == numbers[k - 1])) {
      reportEntry(absl::StrCat("expected each instruction to have a number of its own, got ",
                               numbers[k], numbers[k] ? " twice" : ""));
      return;
    }
  }
}

void EntryVerifier::checkSources() {
  if (entry.meanings.size() != placed.size()) {
    return; // reported
  }
  for (size_t k = 0; k < placed.size(); ++k) {
    if (sources[k] != entry.meanings[k].sources) {
      report({&placed[k], 0, 0, placed[k].timed->cycle},
             "what it takes from streams, words, registers, weights or accumulators is not "
             "what was meant",
             "I3");
    }
  }
}

void EntryVerifier::report(const Issue &issue, const std::string &what,
                           std::string_view rule) {
  violations.push_back(
      {issue.cycle,
       absl::StrCat("entry ", entry.header.name(), ": chip 0, queue ",
                    target.queueName(issue.placed->queue), ", cycle ", issue.cycle,
                    ", ", toAbsl(issue.in().info().mnemonic), "@",
                    issue.placed->timed->cycle, "#", issue.placed->index, ": ", what,
                    "; violates (", toAbsl(rule), ")")});
}

std::string EntryVerifier::describe(const Placed &p) const {
  return absl::StrCat(toAbsl(p.in().info().mnemonic), "@", p.timed->cycle, "#",
                      p.index, " of queue ", target.queueName(p.queue));
}

bool EntryVerifier::isMeant(const Placed &consumer, unsigned operand,
                            const Placed &producer, unsigned result) {
  for (uint32_t k = consumer.firstRecord; k < consumer.lastRecord; ++k) {
    const IntentRecord &record = *intent[k];
    if (record.producerIndex == producer.index && record.producerQueue == producer.queueNumber &&
        record.operand == operand && record.producerOperand == result) {
      isUsed[k] = true;
      return true;
    }
  }
  return false;
}

void EntryVerifier::expectIntent(const Issue &consumer, unsigned operand,
                                 const Placed &producer, unsigned result,
                                 const std::function<std::string()> &where) {
  if (!isMeant(*consumer.placed, operand, producer, result)) {
    report(consumer,
           absl::StrCat("operand ", operand, " finds ", where(), "the value of ",
                        describe(producer), ", which no intent record names"),
           "T6");
  }
}

void EntryVerifier::checkIntentUsed() {
  for (size_t k = 0; k < intent.size(); ++k) {
    if (isUsed[k]) {
      continue;
    }
    auto [queue, index, operand, result, from, producer] = *intent[k];
    violations.push_back(
        {INT64_MAX,
         absl::StrCat("entry ", entry.header.name(), ": intent record ",
                      target.queueName(target.queue(from)), "[", producer, "].", result,
                      " -> ", target.queueName(target.queue(queue)), "[", index, "].",
                      operand, ": this operand never takes that value; violates (T6)")});
  }
}
