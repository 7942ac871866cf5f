"""Tokenizer and chat template, rebuilt from the metadata of a GGUF checkpoint."""

import codecs
from collections.abc import Iterable, Iterator

# GGUF's token types of tokens that text never splits: control and user-defined.
_SPECIAL_TYPES = (3, 4)
# Pre-tokenizers by GGUF's name: whether each digit is a token of its own.
_INDIVIDUAL_DIGITS = {"smollm": True, "gpt-2": False}


def _byte_of_character() -> dict[str, int]:
    """GPT-2's byte-level alphabet: printable bytes are themselves, the others follow from U+0100 on."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(others)}


class Tokenizer:
    """Byte-level BPE. Errors: ValueError for metadata of another kind."""

    def __init__(self, metadata: dict):
        import jinja2.sandbox
        import tokenizers
        from tokenizers import decoders, models, pre_tokenizers

        def need(key: str):
            if key not in metadata:
                raise ValueError(f"expected the key {key}, got none")
            return metadata[key]

        if need("tokenizer.ggml.model") != "gpt2":
            raise ValueError(f"expected tokenizer.ggml.model gpt2, got {metadata['tokenizer.ggml.model']}")
        kind = metadata.get("tokenizer.ggml.pre", "gpt-2")
        if kind not in _INDIVIDUAL_DIGITS:
            raise ValueError(f"expected tokenizer.ggml.pre to be one of {', '.join(_INDIVIDUAL_DIGITS)}, got {kind}")
        self.tokens: list[str] = need("tokenizer.ggml.tokens")
        merges = [tuple(merge.split(" ")) for merge in need("tokenizer.ggml.merges")]
        self._bpe = tokenizers.Tokenizer(models.BPE({token: i for i, token in enumerate(self.tokens)}, merges))
        splitters = [pre_tokenizers.Digits(individual_digits=True)] if _INDIVIDUAL_DIGITS[kind] else []
        self._bpe.pre_tokenizer = pre_tokenizers.Sequence(
            [*splitters, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
        self._bpe.decoder = decoders.ByteLevel()
        types = need("tokenizer.ggml.token_type")
        self.special = {i for i, kind in enumerate(types) if kind in _SPECIAL_TYPES}
        self._bpe.add_special_tokens([tokenizers.AddedToken(self.tokens[i], special=True, normalized=False)
                                      for i in sorted(self.special)])
        self.end_of_text: int = need("tokenizer.ggml.eos_token_id")
        self.begin_of_text: int | None = metadata.get("tokenizer.ggml.bos_token_id")
        self._bytes = _byte_of_character()
        # What the template says is the checkpoint's own business, so it runs in a sandbox.
        environment = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        self._template = environment.from_string(need("tokenizer.chat_template"))

    def encode(self, text: str) -> list[int]:
        return self._bpe.encode(text, add_special_tokens=False).ids

    def encode_chat(self, messages: list[dict[str, str]]) -> list[int]:
        """Tokens of a conversation, up to where the assistant's answer starts."""
        begin = self.tokens[self.begin_of_text] if self.begin_of_text is not None else ""
        return self.encode(self._template.render(messages=messages, add_generation_prompt=True, bos_token=begin,
                                                 eos_token=self.tokens[self.end_of_text]))

    def bytes_of(self, token: int) -> bytes:
        """The UTF-8 bytes of a token, possibly a part of a character; nothing for a special token."""
        if token in self.special:
            return b""
        return bytes(self._bytes[character] for character in self.tokens[token])

    def decode(self, tokens: Iterable[int]) -> str:
        return "".join(self.stream(tokens))

    def stream(self, tokens: Iterable[int]) -> Iterator[str]:
        """Text as tokens come: a character appears when its last byte has."""
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        for token in tokens:
            if text := decoder.decode(self.bytes_of(token)):
                yield text
        if text := decoder.decode(b"", final=True):
            yield text
