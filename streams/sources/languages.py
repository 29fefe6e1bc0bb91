"""Names of languages, in English and as their speakers write them, to ISO 639-1 codes."""

from __future__ import annotations

import re
from functools import cache

_TAG = re.compile(r"([a-z]{2})([-_][A-Za-z0-9]{2,8})*", re.IGNORECASE)

_NAMES = {
    "ar": "arabic, العربية",
    "bg": "bulgarian, български",
    "bn": "bengali, bangla, বাংলা",
    "ca": "catalan, català",
    "cs": "czech, čeština, česky",
    "cy": "welsh, cymraeg",
    "da": "danish, dansk",
    "de": "german, deutsch",
    "el": "greek, ελληνικά",
    "en": "english",
    "es": "spanish, castilian, español, castellano",
    "et": "estonian, eesti, eesti keel",
    "eu": "basque, euskara",
    "fa": "persian, farsi, فارسی",
    "fi": "finnish, suomi",
    "fr": "french, français, francais",
    "ga": "irish, gaeilge",
    "gl": "galician, galego",
    "gu": "gujarati, ગુજરાતી",
    "he": "hebrew, עברית",
    "hi": "hindi, हिन्दी, हिंदी",
    "hr": "croatian, hrvatski",
    "hu": "hungarian, magyar",
    "hy": "armenian, հայերեն",
    "id": "indonesian, bahasa indonesia",
    "is": "icelandic, íslenska",
    "it": "italian, italiano",
    "ja": "japanese, 日本語",
    "ka": "georgian, ქართული",
    "kk": "kazakh, қазақша, қазақ тілі",
    "ko": "korean, 한국어",
    "lt": "lithuanian, lietuvių",
    "lv": "latvian, latviešu",
    "mk": "macedonian, македонски",
    "mr": "marathi, मराठी",
    "ms": "malay, bahasa melayu",
    "nb": "norwegian bokmål, bokmål",
    "nl": "dutch, flemish, nederlands, vlaams",
    "no": "norwegian, norsk",
    "pa": "punjabi, ਪੰਜਾਬੀ",
    "pl": "polish, polski",
    "pt": "portuguese, português, portugues",
    "ro": "romanian, română",
    "ru": "russian, русский",
    "sk": "slovak, slovenčina, slovensky",
    "sl": "slovenian, slovene, slovenščina",
    "sq": "albanian, shqip",
    "sr": "serbian, српски, srpski",
    "sv": "swedish, svenska",
    "sw": "swahili, kiswahili",
    "ta": "tamil, தமிழ்",
    "te": "telugu, తెలుగు",
    "th": "thai, ไทย, ภาษาไทย",
    "tl": "tagalog, filipino",
    "tr": "turkish, türkçe",
    "uk": "ukrainian, українська",
    "ur": "urdu, اردو",
    "vi": "vietnamese, tiếng việt",
    "zh": "chinese, mandarin, cantonese, 中文, 普通话, 國語",
}


def language_code(name: str) -> str | None:
    """The ISO 639-1 code, lower case, of a language name, code or BCP 47 tag; None when it is none that is known."""
    wanted = name.strip()
    if found := _TAG.fullmatch(wanted):
        return found.group(1).lower()
    return _codes().get(wanted.casefold())


@cache
def _codes() -> dict[str, str]:
    return {name.casefold(): code for code, names in _NAMES.items() for name in names.split(", ")}
