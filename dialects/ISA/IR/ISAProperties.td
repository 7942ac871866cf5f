//===- ISAProperties.td - Instructions in operations -------*- tablegen -*-===//
//
// Attributes live until the compiler ends; a program has millions of instructions. As
// properties they are part of their operation and go with it.
//
//===----------------------------------------------------------------------===//
#ifndef ISA_IR_ISAPROPERTIES
#define ISA_IR_ISAPROPERTIES

include "mlir/IR/Properties.td"

class ISA_Prop<string storage, string desc, string interface>
    : Property<storage, desc, interface> {
  let convertToAttribute = [{
    return ::mlir::lpuisa::convertToAttribute($_ctxt, $_storage);
  }];
  let convertFromAttribute = [{
    return ::mlir::lpuisa::convertFromAttribute($_storage, $_attr, $_diag);
  }];
  let writeToMlirBytecode = [{
    $_writer.writeAttribute(::mlir::lpuisa::convertToAttribute($_ctxt, $_storage));
  }];
  let readFromMlirBytecode = [{
    ::mlir::Attribute attribute;
    if (::mlir::failed($_reader.readAttribute(attribute)) ||
        ::mlir::failed(::mlir::lpuisa::convertFromAttribute(
            $_storage, attribute, [&] { return $_reader.emitError(); })))
      return ::mlir::failure();
  }];
}

def ISA_InstructionProp : ISA_Prop<"::lpu::PackedInstruction", "instruction of the table",
                                   "const ::lpu::PackedInstruction &">;

def ISA_IntentProp : ISA_Prop<"::mlir::lpuisa::Intent", "numbers of intent records",
                              "::llvm::ArrayRef<uint32_t>"> {
  let assignToStorage = "$_storage.assign($_value.begin(), $_value.end())";
  let hashProperty = "::llvm::hash_combine_range($_storage)";
}

def ISA_MeaningProp : ISA_Prop<"::lpu::Meaning", "what an instruction is meant to do and find",
                               "const ::lpu::Meaning &">;

#endif
