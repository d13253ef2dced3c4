"""Writes the tokenizers that the tests use, and what an independent implementation makes of 900 texts.

    pip install tokenizers==0.23.3 && python3 tests/golden/tokenizers/make.py

For each tokenizer: <name>/tokenizer.json, and <name>/golden.json with the ids and the decoded text that the Rust `tokenizers`
library gives for every text of texts.json. The seed is fixed. Vocabularies are trained on the sentences below and on the
interpreter's own help texts; they are small on purpose, so that byte fallback and partial characters are common.
"""
import json
import pathlib
import random

import pydoc_data.topics
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = pathlib.Path(__file__).parent
SENTENCES = [
    "All human beings are born free and equal in dignity and rights.",
    "Tous les êtres humains naissent libres et égaux en dignité et en droits.",
    "Все люди рождаются свободными и равными в своём достоинстве и правах.",
    "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα.",
    "يولد جميع الناس أحراراً متساوين في الكرامة والحقوق.",
    "כל בני אדם נולדו בני חורין ושווים בערכם ובזכויותיהם.",
    "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है।",
    "সমস্ত মানুষ স্বাধীনভাবে সমান মর্যাদা এবং অধিকার নিয়ে জন্মগ্রহণ করে।",
    "மனிதப் பிறவியினர் சகலரும் சுதந்திரமாகவே பிறக்கின்றனர்.",
    "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ",
    "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.",
    "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。",
    "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心。",
    "ყველა ადამიანი იბადება თავისუფალი და თანასწორი თავისი ღირსებითა და უფლებებით.",
    "Բոլոր մարդիկ ծնվում են ազատ ու հավասար իրենց արժանապատվությամբ ու իրավունքներով:",
]
PIECES = [
    "👩‍👩‍👧‍👦", "🇩🇪", "🤷🏽‍♀️", "😀", "e\u0301", "\u0000", "\u0007", "\r\n", "\n\n\n", "\t", "\u200b", "\u00a0", "   ", " ", "\ufeff", "…", "“”",
    "<|im_start|>", "<|im_end|>", "</s>", "<s>", "don't", "I'LL", "we've", "1234567", "3.14", "x_1", "a.b/c", "$", "€99", "!!!", "?!", "-->", "{}[]",
    "\U0010ffff", "ﬁ", "Ⅷ", "½", "ß", "ı", "\u0130", "日本語テスト", "ٱلْحَمْدُ", "นี้", "한\u1100\u1161",
]
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = LLAMA3.replace("{1,3}", "")
SPECIAL = ["<|im_start|>", "<|im_end|>"]


def texts():
    rng = random.Random(20261124)
    out = list(SENTENCES) + list(PIECES) + [s.upper() for s in SENTENCES] + ["", " lead", "  two", "trail  ", "a b  c   d"]
    while len(out) < 900:
        parts = []
        for _ in range(rng.randint(1, 6)):
            if rng.random() < 0.35:
                parts.append(rng.choice(PIECES))
            else:
                sentence = rng.choice(SENTENCES)
                start = rng.randrange(len(sentence))
                parts.append(sentence[start:start + rng.randint(1, 25)])
        out.append(rng.choice(["", " ", "\n"]).join(parts))
    return out


def corpus():
    yield from SENTENCES * 20
    topics = pydoc_data.topics.topics
    for key in sorted(topics)[:20]:
        yield from topics[key].splitlines()


def byte_level(pre, *, ignore_merges=False, normalizer=None, post=None):
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=1200, special_tokens=SPECIAL, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(corpus(), trainer)
    if post:
        tokenizer.post_processor = post
    return tokenizer


def sentencepiece_bpe():
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    specials = ["<unk>", "<s>", "</s>"] + [f"<0x{i:02X}>" for i in range(256)]
    alphabet = sorted(set("".join(SENTENCES[:3])) | set("▁"))
    trainer = trainers.BpeTrainer(vocab_size=1200, special_tokens=specials, initial_alphabet=alphabet, limit_alphabet=len(alphabet), show_progress=False)
    # Words, so that merges do not cross spaces, as SentencePiece learns them.
    words = ("▁" + word for line in corpus() for word in line.split())
    tokenizer.normalizer, keep = None, tokenizer.normalizer
    tokenizer.train_from_iterator(words, trainer)
    tokenizer.normalizer = keep
    data = json.loads(tokenizer.to_str())
    data["added_tokens"] = [t for t in data["added_tokens"] if not t["content"].startswith("<0x")]
    tokenizer = Tokenizer.from_str(json.dumps(data))
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return tokenizer


def unigram():
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=600, unk_token="<unk>", special_tokens=["<unk>"] + [f"<0x{i:02X}>" for i in range(256)], show_progress=False)
    tokenizer.train_from_iterator(corpus(), trainer)
    data = json.loads(tokenizer.to_str())
    data["model"]["byte_fallback"] = True
    return Tokenizer.from_str(json.dumps(data))


def split(pattern):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


KINDS = {
    "byte-level-gpt2": lambda: byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False)),
    "byte-level-digits": lambda: byte_level(pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])),
    "byte-level-llama3": lambda: byte_level(split(LLAMA3), ignore_merges=True, post=processors.TemplateProcessing(single="<|im_start|> $A", special_tokens=[("<|im_start|>", 0)])),
    "byte-level-qwen2": lambda: byte_level(split(QWEN2), normalizer=normalizers.NFC()),
    "sentencepiece-bpe": sentencepiece_bpe,
}

lines = texts()
(HERE / "texts.json").write_text(json.dumps(lines, ensure_ascii=True, indent=0))
for name, make in KINDS.items():
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    tokenizer = make()
    (folder / "tokenizer.json").write_text(json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=True, separators=(",", ":")))
    rows = []
    for text in lines:
        ids = tokenizer.encode(text).ids
        rows.append([ids, tokenizer.decode(ids, skip_special_tokens=True)])
    (folder / "golden.json").write_text("[\n" + ",\n".join(json.dumps(row, ensure_ascii=True, separators=(",", ":")) for row in rows) + "\n]\n")
    print(name, tokenizer.get_vocab_size(), sum(len(r[0]) for r in rows), "ids")
folder = HERE / "unigram-byte-fallback"
folder.mkdir(exist_ok=True)
(folder / "tokenizer.json").write_text(json.dumps(json.loads(unigram().to_str()), ensure_ascii=True, separators=(",", ":")))
