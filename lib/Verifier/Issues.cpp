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
    if (previous && previous->number == p.number &&
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
    for (uint32_t i = 0; i < repeat.m; ++i) {
      for (uint32_t j = 0; j < repeat.n; ++j) {
        int64_t cycle = p.timed->cycle + int64_t(i) * repeat.e + int64_t(j) * repeat.d;
        issues.push_back({&p, i, j, cycle});
        note(cycle);
      }
    }
    previous = &p;
  }
  std::stable_sort(issues.begin(), issues.end(), [](const Issue &a, const Issue &b) {
    return std::tie(a.cycle, a.placed->number) < std::tie(b.cycle, b.placed->number);
  });
  for (const IntentRecord &r : entry.intent) {
    intent.push_back({{r.consumerQueue, r.consumerIndex, r.operand, r.producerQueue,
                       r.producerIndex, r.producerOperand},
                      false});
  }
  std::sort(intent.begin(), intent.end());
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
  Record record{consumer.number, consumer.index, operand,
                producer.number, producer.index, result};
  auto it = std::lower_bound(
      intent.begin(), intent.end(), record,
      [](const auto &pair, const Record &key) { return pair.first < key; });
  if (it == intent.end() || it->first != record) {
    return false;
  }
  it->second = true;
  return true;
}

void EntryVerifier::expectIntent(const Issue &consumer, unsigned operand,
                                 const Placed &producer, unsigned result,
                                 const std::string &where) {
  if (!isMeant(*consumer.placed, operand, producer, result)) {
    report(consumer,
           absl::StrCat("operand ", operand, " finds ", where, "the value of ",
                        describe(producer), ", which no intent record names"),
           "T6");
  }
}

void EntryVerifier::checkIntentUsed() {
  for (const auto &[record, used] : intent) {
    if (used) {
      continue;
    }
    auto [queue, index, operand, from, producer, result] = record;
    violations.push_back(
        {INT64_MAX,
         absl::StrCat("entry ", entry.header.name(), ": intent record ",
                      target.queueName(target.queue(from)), "[", producer, "].", result,
                      " -> ", target.queueName(target.queue(queue)), "[", index, "].",
                      operand, ": this operand never takes that value; violates (T6)")});
  }
}
