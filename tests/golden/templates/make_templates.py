#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Writes expected.json: what Jinja2, as the transformers package sets it up for chat templates, makes of
the templates here. Each line of expressions.txt is a template, and each *.jinja over several chats.

    python3 -m venv v && v/bin/pip install jinja2 transformers && v/bin/python make_templates.py

The templates are our own. The clock of strftime_now stands at NOW."""
import datetime
import glob
import json
import os

from transformers.utils import chat_template_utils

HERE = os.path.dirname(os.path.abspath(__file__))
NOW = 1753967261  # 2025-07-31 13:07:41


class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime.datetime.fromtimestamp(NOW, datetime.timezone.utc).replace(tzinfo=None)


chat_template_utils.datetime = Clock

SYSTEM = {"role": "system", "content": "You are a helpful assistant."}
USER = {"role": "user", "content": "Hello, who are you?"}
ANSWER = {"role": "assistant", "content": " I am a model. "}
MORE = {"role": "user", "content": "  Tell me more.\n\n"}
CALL = {"role": "assistant", "content": None, "tool_calls": [
    {"id": "a1", "type": "function", "function": {"name": "weather", "arguments": {
        "city": "Z\u00fcrich", "days": 2, "exact": 1.5, "none": None, "yes": True}}},
    {"id": "a2", "type": "function", "function": {"name": "now", "arguments": "{}"}}]}
RESULTS = [{"role": "tool", "tool_call_id": "a1", "content": "{\"temp\": 21.5}"},
           {"role": "tool", "tool_call_id": "a2", "content": "noon"}]
TOOLS = [{"type": "function", "function": {
    "name": "weather", "description": "The weather\nin \"a\" <city>'s area", "parameters": {
        "type": "object", "required": ["city"], "properties": {
            "city": {"type": "string", "enum": ["Paris", "Z\u00fcrich"]},
            "days": {"type": "integer", "default": 3},
            "tags": {"type": "array", "items": {"type": "string"}},
            "where": {"type": "object", "properties": {"x": {"type": ["integer", "null"]}}}}}}},
    {"type": "function", "function": {"name": "now", "parameters": {"type": "object"}}}]
CHATS = {
    "user": [USER],
    "system": [SYSTEM, USER],
    "turns": [SYSTEM, USER, ANSWER, MORE],
    "calls": [SYSTEM, USER, CALL] + RESULTS + [ANSWER, MORE],
    "thought": [USER, {"role": "assistant", "content": "<think>\nhm\n</think>\n\n4"}, MORE,
                {"role": "assistant", "content": "5", "reasoning_content": " why "}],
    "parts": [{"role": "user", "content": [{"type": "text", "text": "What is"}, {"type": "image"},
                                           {"type": "text", "text": " this?"}]}],
    "unicode": [{"role": "user", "content": "\u00dcn\u00ef \u65e5\u672c\u8a9e \U0001f999 \u2028 \x07\t\"' \\ <&>"}],
    "empty": [{"role": "system", "content": ""}, {"role": "user", "content": ""}],
    "nothing": [],
    "order": [USER, MORE],
    "strange": [{"role": "stranger", "content": "x"}],
}
COMMON = {"bos_token": "<s>", "eos_token": "</s>", "tools": None, "documents": None,
          "add_generation_prompt": True}


def render(source, variables):
    """The text; None when the template cannot be compiled or refuses: ours must fail there, too."""
    try:
        template = chat_template_utils._compile_jinja_template(source)
        return template.render(**json.loads(json.dumps(variables)))
    except Exception:
        return None


def main():
    variables = {"expressions": {"bos_token": "<s>", "messages": [
        {"role": "system", "content": "S\n p "}, {"role": "user", "content": "\u00dc \U0001f999"}]}}
    for name, messages in CHATS.items():
        variables[name] = {**COMMON, "messages": messages}
        variables[name + "-tools"] = {**COMMON, "messages": messages, "tools": TOOLS,
                                      "add_generation_prompt": False, "enable_thinking": False}
    lines = open(os.path.join(HERE, "expressions.txt"), encoding="utf-8").read().split("\n")
    cases = [[line, "expressions", render(line, variables["expressions"])] for line in lines if line]
    for path in sorted(glob.glob(os.path.join(HERE, "*.jinja"))):
        source = open(path, encoding="utf-8", newline="").read()
        for name in variables:
            if name != "expressions":
                cases.append([os.path.basename(path), name, render(source, variables[name])])
    with open(os.path.join(HERE, "expected.json"), "w", encoding="utf-8") as out:
        out.write('{"now": %d,\n"variables": {\n' % NOW)
        out.write(",\n".join(json.dumps(k) + ": " + json.dumps(v, ensure_ascii=False)
                             for k, v in variables.items()))
        out.write('},\n"cases": [\n')
        out.write(",\n".join(json.dumps(c, ensure_ascii=False) for c in cases))
        out.write("]}\n")


if __name__ == "__main__":
    main()
