//===- Hazards.h - A program for every kind of hazard ---------------------===//
//
// Both judges stop at each; `message` is the executor's.
//
//===----------------------------------------------------------------------===//
#ifndef LPU_TEST_UNIT_EXECUTOR_HAZARDS_H
#define LPU_TEST_UNIT_EXECUTOR_HAZARDS_H

#include "Programs.h"
#include <vector>

struct Hazard {
  const char *name;
  std::string text;
  const char *message;
};

inline const std::string kRows =
    "image weights mem.w0 bank 0 words 0..15 \"w\" = iota\n"
    "image weights mem.w1 bank 0 words 0..15 \"w\" = iota\n"
    "image weights mem.e0 bank 0 words 0..15 \"w\" = iota\n";
inline const std::string kScratch =
    "  region scratch mem.w2 bank 0 words 0..3 \"s\"\n"
    "  region scratch mem.w0 bank 1 words 0..3 \"s\"\n";

// 16 slices feed group 0 of plane 1 (column 2); slice S reads in cycle S, so
// that all rows pass column 2 in cycle 5 + 42 = 47: column of slice S is 43 -
// S.
inline std::string weightsImage() {
  std::string text;
  for (int s = 0; s < 16; ++s) {
    text += "image weights mem.w" + std::to_string(s) +
            " bank 0 words 0..1 \"w\" = fill 1\n";
  }
  return text + "image weights mem.w16 bank 0 words 0..0 \"x\" = fill 2\n";
}
inline std::string weightReads(const std::string &repeat = "") {
  std::string text;
  for (int s = 0; s < 16; ++s) {
    text += "  queue mem.w" + std::to_string(s) + "\n    @" +
            std::to_string(s) +
            " mem r=linear r_addr=0 r_dir=west r_id=" + std::to_string(s) +
            repeat + "\n";
  }
  return text;
}
// Row groups 0 and 1 enter in cycles 46 and 47, are installed in 48.
inline const std::string kTwoGroups =
    weightReads(" repeat 2 1 1 0 stride r_addr 0 1") +
    "  queue mxm.1.weights\n"
    "    @46 lw group=0 dir=west base=0 repeat 2 1 1 0 stride group 0 1\n"
    "    @48 iw\n";
// x leaves slice 16 (column 27) in cycle 20 + 5 and passes column 2 in
// cycle 50.
inline const std::string kActivation =
    "  queue mem.w16\n"
    "    @20 mem r=linear r_addr=0 r_dir=west r_id=31\n";

inline std::vector<Hazard> hazards() {
  return {
      {"EmptySample",
       program("", kScratch +
                       "  queue mem.w2\n    @4 mem w=linear w_addr=0 w_id=0\n"),
       "hazard: chip 0, queue mem.w2, cycle 4, mem@4#0: stream east 0 sampled "
       "empty at column 41; violates (T5)"},
      {"TwoDrivers",
       program(
           kRows,
           "  queue vxm.0\n    @4 alu op=copy a=immediate a_type=i32 out=i8\n"
           "  queue vxm.1\n    @4 alu op=copy a=immediate a_type=i32 out=i8\n"),
       "hazard: chip 0, queue vxm.1, cycle 4, alu@4#0: two drivers of stream "
       "east 0 at column 44 in cycle 8, the other is alu@4#0 of queue vxm.0; "
       "violates (T4)"},
      {"UnwrittenWord",
       program("", kScratch +
                       "  queue mem.w2\n    @4 mem r=linear r_addr=2 r_id=0\n"),
       "hazard: chip 0, queue mem.w2, cycle 4, mem@4#0: read of word 2 of bank "
       "0, which nobody wrote; violates (M8)"},
      {"WriteToConstant",
       program(kRows, "  queue mem.w1\n    @0 mem r=linear r_addr=0 r_id=0\n"
                      "  queue mem.w0\n    @6 mem w=linear w_addr=3 w_id=0\n"),
       "hazard: chip 0, queue mem.w0, cycle 6, mem@6#0: write to word 3 of "
       "bank 0, which holds weights; violates (M9)"},
      {"BankConflict",
       program(kRows,
               kScratch +
                   "  queue mem.w1\n    @0 mem r=linear r_addr=0 r_id=0\n"
                   "  queue mem.w0\n    @6 mem r=linear r_addr=0 r_id=1 "
                   "w=linear w_addr=3 w_id=0\n"),
       "create: hazard: chip 0, queue mem.w0, cycle 6, mem@6#0: bank conflict: "
       "read and write part both in bank 0; violates (M3)"},
      {"MeshWithoutResult",
       program("", "  queue vxm.0\n    @4 alu op=copy a=mesh a_base=1\n"),
       "hazard: chip 0, queue vxm.0, cycle 4, alu@4#0: ALU 1 has no result in "
       "this cycle; violates (V3)"},
      {"TwoResultsOfOneAlu",
       program("", "  queue vxm.0\n    @4 alu op=tanh a=immediate\n"
                   "    @8 alu op=copy a=immediate\n"),
       "hazard: chip 0, queue vxm.0, cycle 8, alu@8#1: a second result of the "
       "ALU in cycle 12, the first is of alu@4#0 of queue vxm.0; violates "
       "(V4)"},
      {"RegisterNeverLoaded",
       program("", "  queue vxm.0\n    @4 alu op=acc a=immediate\n"),
       "hazard: chip 0, queue vxm.0, cycle 4, alu@4#0: the register was never "
       "loaded; violates (V8)"},
      {"IntegerOperandOfFunction",
       program("",
               "  queue vxm.0\n    @4 alu op=exp2 a=immediate a_type=i32\n"),
       "hazard: chip 0, queue vxm.0, cycle 4, alu@4#0: expected an fp32 "
       "operand; violates (V1)"},
      {"BitsOfAFloatAreAnInteger",
       program("", "  queue vxm.0\n    @4 alu op=bits a=immediate\n"
                   "  queue vxm.1\n    @8 alu op=exp2 a=mesh a_base=0\n"),
       "hazard: chip 0, queue vxm.1, cycle 8, alu@8#0: expected an fp32 "
       "operand; violates (V1)"},
      {"BitsDriveTheOtherType",
       program("", "  queue vxm.0\n    @4 alu op=bits a=immediate out=f32\n"),
       "hazard: chip 0, queue vxm.0, cycle 4, alu@4#0: expected an fp32 result "
       "to drive as f32; violates (V6)"},
      {"EmptyInstall", program("", "  queue mxm.1.weights\n    @4 iw\n"),
       "hazard: chip 0, queue mxm.1.weights, cycle 4, iw@4#0: install of a "
       "buffer into which nothing was loaded; violates (X4)"},
      {"NoArray",
       program(weightsImage(),
               kActivation + "  queue mxm.1.activations\n    @50 abc dir=west "
                             "base=31 count=1\n"),
       "hazard: chip 0, queue mxm.1.activations, cycle 50, abc@50#0: no array "
       "of this format is installed; violates (X6)"},
      {"RowsNotLoaded",
       program(weightsImage(), weightReads() +
                                   "  queue mxm.1.weights\n    @46 lw group=0 "
                                   "dir=west base=0\n    @48 iw\n" +
                                   kActivation +
                                   "  queue mxm.1.activations\n    @50 abc "
                                   "dir=west base=31 count=2\n"),
       "hazard: chip 0, queue mxm.1.activations, cycle 50, abc@50#0: row "
       "groups that were not loaded before the install are active: 1; violates "
       "(X6)"},
      {"InstallTooLate",
       program(weightsImage(), weightReads() +
                                   "  queue mxm.1.weights\n    @46 lw group=0 "
                                   "dir=west base=0\n    @49 iw\n" +
                                   kActivation +
                                   "  queue mxm.1.activations\n    @50 abc "
                                   "dir=west base=31 count=1\n"),
       "hazard: chip 0, queue mxm.1.activations, cycle 50, abc@50#0: no array "
       "of this format is installed; violates (X6)"},
      {"ResultLost",
       program(weightsImage(), kTwoGroups + kActivation +
                                   "  queue mxm.1.activations\n    @50 abc "
                                   "dir=west base=31 count=2\n"),
       "hazard: chip 0, queue mxm.1.activations, cycle 50, abc@50#0: the "
       "result meets no set or add of an acc in cycle 90 and is lost; violates "
       "(X8)"},
      {"NoResult",
       program(
           "",
           "  queue mxm.1.accumulators\n    @90 acc mode=set a=0 count=2\n"),
       "hazard: chip 0, queue mxm.1.accumulators, cycle 90, acc@90#0: no "
       "result of an abc appears in this cycle; violates (X8)"},
      {"AddToUnset",
       program(weightsImage(), kTwoGroups + kActivation +
                                   "  queue mxm.1.activations\n    @50 abc "
                                   "dir=west base=31 count=2\n"
                                   "  queue mxm.1.accumulators\n    @90 acc "
                                   "mode=add a=0 count=2\n"),
       "hazard: chip 0, queue mxm.1.accumulators, cycle 90, acc@90#0: add to "
       "accumulator 0, never set in superlanes 0 1; violates (X11)"},
      {"EmitUnset",
       program("", "  queue mxm.1.accumulators\n    @90 acc emit=true b=3 "
                   "emit_count=2 dir=east base=0\n"),
       "hazard: chip 0, queue mxm.1.accumulators, cycle 90, acc@90#0: "
       "accumulator 3 emitted, never set in superlanes 0 1; violates (X11)"},
      {"OutputNotWritten",
       program("", "  region output mem.e0 bank 0 words 0..0 \"y\"\n"
                   "  tensor output y i8 as i8 shape 32 rows 1 columns 32 "
                   "vectors 1 stride 1 planes mem.e0:0:0\n"),
       "hazard: chip 0, output 'y': word 0 of bank 0 of mem.e0 was never "
       "written in superlane 0; violates (H2)"},
      {"ScatterWindowOutside",
       program("", kScratch + "  queue mem.w2\n    @4 mem w=mapped w_addr=255 "
                              "w_len=4 w_lo=0 w_id=0 w_map_id=4\n"),
       "assemble: test: entry main, queue mem.w2, cycle 4: mem: w_addr 255 of "
       "253"},
  };
}

/// The rule that `hazard` violates: "T5"; empty where the program is refused
/// before anything judges it.
inline std::string getRule(const Hazard &hazard) {
  std::string message = hazard.message;
  size_t at = message.rfind("violates (");
  return at == std::string::npos
             ? ""
             : message.substr(at + 10, message.rfind(')') - at - 10);
}

#endif // LPU_TEST_UNIT_EXECUTOR_HAZARDS_H
