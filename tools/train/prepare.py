# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Turn the raw lower-cased TinyStories excerpt into one clean story per JSON line.

Three mechanical steps, no model involved:
  1. repair the double-encoded quotes of the excerpt and drop stories that still hold non-ASCII text;
  2. cut the file into stories (one newline separates stories, two separate paragraphs; some stories
     use one newline between paragraphs, which `split_stories` recognises by their openings);
  3. restore capitals: sentence starts, quoted speech, "I", titles, week days and given names.

    python prepare.py --text tinystories.txt --out stories.jsonl
"""
import argparse
import json
import random
import re

MOJIBAKE = [("â€œ", '"'), ("â€™", "'"), ("â€˜", "'"), ("â€¦", "..."), ("â€“", "-"), ("â€”", "-"),
            ("â€", '"'), ("“", '"'), ("”", '"'), ("’", "'"), ("‘", "'")]

OPENING = re.compile(r"(once|one (sunny|day|morning|night|hot|cold|rainy|summer|winter|spring)|there (was|were) "
                     r"(once )?(a|an|two|three)|it was an? )\b|[a-z]+ and [a-z]+ (were|are|like|liked|love|loved)\b|"
                     r"[a-z]+ (is|was) (a|an|three|so|very) ")

# Given names that are not ordinary words of the texts: always capitalised.
NAMES = set("""abby abbie abigail adam alan alex ali alice alicia alison ally amanda amelia amy ana andrew andy angela
anna annie anthony ava ayla barry becky bella belle ben benny bertie betsy betty bettie billy binky bob bobby bobbie
bobo brad brian bruno caleb callie cara carl carla carly carol carrie cathy charlie chad chloe chris cindy claire clara
cody dan dana daniel danny dave david debbie denise derek diana dina dora donna dylan eddie edward eli elisa eliza
ella ellie elly elsie emily emma emmy eric erica ethan eva evan eve felix fiona flora floppy fluffy frankie fred freddie freddy
gary gavin gemma george georgia georgie gina ginny greg hannah harry harriet helen helena henry howard isaac isabel isabella
isla ivy jack jackie jacob jacky jade jaime jake james jamie jane janet janie jared jason jasmine jay jeff jemma jen
jenna jennifer jenny jeremy jerry jesse jessica jessie jill jim jimmy jimmie joan joanna joe joel joey john johnny
jon jonah jonathan jordan joseph josh joshua josie joyce juan judy julia julie julian justin kaitlyn kara karen kate katie
kathy katy kayla kelly kelsey ken kenny kevin kim kimmy kitty kyle lara larry laura lauren leah lena leo leticia lexi
liam lila lily lilly lina linda lisa liz lizzie lizzy lola lori louise lucas lucy luke lulu luna lydia mabel maddie
madison maggie mandy marcus margaret maria marie martha martin mary matt matthew max maxine maya meg megan melanie
melissa mia michael michelle mickey mike millie mikey mila mimi mindy mittens molly mona moni monica nancy naomi natalie nate
nathan ned nemo nick nicky nicole nina noah nora oliver olivia owen pam pandy pamela patrick patty paul paula peggy penelope
pete peter petey phil philip phoebe pippin polly priscilla quinn rachel rebecca remy rex richard ricky rita rob robby
robert robbie roger ron ronnie rosie roy russell ruthie ryan sally sam samantha sammy samuel sandra sara sarah
sean seth shannon shaun sheila shelly simon sofia sonia sonya sophia sophie stacy stan stella stephanie steve steven sue
susan susie suzie suzy sylvia tabitha tammy tara ted terry thomas tilly tim timmy timothy tina toby todd tom tommy tony tracy
tweety tweetie tyler vicky victor victoria violet wendy wilbur william willie zach zack zoe zoey zara
monday tuesday wednesday thursday friday saturday sunday christmas halloween january february april
santa""".split())

# Ordinary words that may be a name: capitalised in a story only when that story names somebody so.
NAMED = re.compile(r"\b(?:named|called|name (?:is|was)|i am|i'm) \"?([a-z]+)\b")
NOT_NAMES = set("""a an the her his him it its them their my your our me us so not very too sorry fine happy sad hungry tired
scared lost going here okay glad cold hot just also back out over for to on and or but mom dad mommy daddy mama papa
mummy grandma grandpa mum everyone every all one two three that this there what when as at by in into with after because
again always never now then proud sure afraid stuck from trying looking playing doing coming ready bored sick strong big
small little good bad still really only like only kind like having making feeling no yes up down help mr mrs ms""".split())
TITLES = {"mr", "mrs", "ms", "dr"}
PARENTS = {"mom", "dad", "mommy", "daddy", "mama", "papa", "mummy", "mum", "grandma", "grandpa", "nana", "granny"}
# After one of these a parent word is a plain noun ("her mom"), and so is an ambiguous name ("the bear").
DETERMINERS = set("""a an the her his their my your our its this that these those every each some any another other no
both two three new nice good kind loving happy big little small old young dear sweet proud angry worried""".split())
SPEECH = ("said|asked|replied|shouted|cried|yelled|exclaimed|answered|called|whispered|screamed|begged|"
          "wondered|says|asks|replies|shouts|added|explained|responded|declared|barked")
# What follows `!"` or `?"` is a speech tag ("said Tom", "the frog asked.") and not a new sentence ("The frog said, ...").
SPEECH_TAG = re.compile(r" (?:(?:" + SPEECH + r")\b|(?:[a-z']+|(?:the|his|her|a|an|their) [a-z']+"
                        r"(?: [a-z']+)?) (?:" + SPEECH + r")\b(?! *[,:] *\"| and\b))")
WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")


def repair(text):
    for bad, good in MOJIBAKE:
        text = text.replace(bad, good)
    text = text.replace("\r", "").replace("\u200b", "")
    return re.sub(r"[ \t]+", " ", text)


ARTICLES = set("a an the her his their my your our its this these those every each some any".split())


def split_stories(text):
    stories = []
    for chunk in re.split(r"(?<!\n)\n(?!\n)", re.sub(r" *\n *", "\n", text)):
        chunk = re.sub(r"\n{2,}", "\n\n", chunk).strip()
        if not chunk:
            continue
        last = stories[-1] if stories else None
        if last is None or chunk.startswith("once "):
            fresh = True
        elif len(last) < 200 or len(chunk) < 120:
            fresh = False
        else:
            fresh = bool(OPENING.match(chunk)) and len(last) > 300 or (len(last) > 350 and len(chunk) > 400)
        if fresh:
            stories.append(chunk)
        else:
            stories[-1] = last + "\n\n" + chunk
    return stories


def capitals_paragraph(par, names):
    """Mark the letters of one paragraph that start a sentence or a name."""
    up = set()
    first = re.search(r"[a-z]", par)
    if first and not re.search(r"[.!?\"]", par[:first.start()]):
        up.add(first.start())
    # sentence starts outside and inside of quotes
    for m in re.finditer(r"[.!?] +(\"?)(?=[a-z])", par):
        if not re.search(r"\b(mr|mrs|ms|dr)\.$", par[:m.start() + 1]) and not par[:m.start() + 1].endswith("..."):
            up.add(m.end())
    inside = False
    prev_close = None
    for m in re.finditer(r'"', par):
        i = m.start()
        inside = not inside
        if inside:
            # speech goes on after `," she said,`: no capital
            between = par[prev_close:i] if prev_close is not None else ""
            resumed = (prev_close is not None and prev_close >= 2 and par[prev_close - 2] == ","
                       and between.rstrip().endswith(",") and not re.search(r"[.!?]", between))
            speech = i == 0 or re.search(r"[,:.!?]\s*$|^\s*$", par[:i])
            if speech and not resumed and i + 1 < len(par) and par[i + 1].isalpha():
                up.add(i + 1)
        else:
            prev_close = i + 1
            if i and par[i - 1] in ".!?" and re.match(r" [a-z]", par[i + 1:]):
                if par[i - 1] == "." or not SPEECH_TAG.match(par[i + 1:]):
                    up.add(i + 2)
    # words
    parent_plain = False
    words = list(WORD.finditer(par))
    for k, m in enumerate(words):
        w = m.group()
        base = w.split("'")[0]
        joined = k > 0 and re.fullmatch(r",? ", par[words[k - 1].end():m.start()])
        before = words[k - 1].group() if k and par[words[k - 1].end():m.start()] == " " else ""
        plain = before in DETERMINERS or before.endswith("'s")
        if base == "i":
            up.add(m.start())
        elif base in NAMES or base in TITLES:
            up.add(m.start())
        elif base in names and before not in ARTICLES and not par[m.end():m.end() + 1] == "-":
            up.add(m.start())
        elif base in PARENTS:
            if before in ("and", "or") and k > 1 and words[k - 2].group() in PARENTS:
                plain = parent_plain
            parent_plain = plain
            if not plain:
                up.add(m.start())
        elif joined and before in ("mr", "mrs", "ms", "dr"):
            up.add(m.start())
        if k and re.fullmatch(r"\. ", par[words[k - 1].end():m.start()]) and words[k - 1].group() in TITLES:
            up.add(m.start())
    return "".join(c.upper() if i in up else c for i, c in enumerate(par))


def capitals(story):
    names = {n for n in NAMED.findall(story) if n not in NOT_NAMES}
    # "i am x" names somebody only when the story also uses the word like a name
    sure = set(re.findall(r"\b(?:named|called) \"?([a-z]+)\b", story)) | set(
        re.findall(r"\bname (?:is|was) \"?([a-z]+)\b", story))
    names = {n for n in names if n in sure}
    return "\n\n".join(capitals_paragraph(p, names) for p in story.split("\n\n"))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--text", required=True)
    ap.add_argument("--out", required=True)
    ap.add_argument("--held-out", type=float, default=0.02)
    args = ap.parse_args()
    raw = open(args.text, encoding="utf-8").read()
    stories, dropped = [], 0
    for s in split_stories(repair(raw)):
        ends = s.rstrip()[-1] in ".!?\"'"
        if s.isascii() and 150 < len(s) < 3000 and ends:
            stories.append(capitals(s))
        else:
            dropped += 1
    stories = list(dict.fromkeys(stories))
    random.Random(1).shuffle(stories)
    held = max(1, int(len(stories) * args.held_out))
    with open(args.out, "w", encoding="utf-8") as f:
        for i, s in enumerate(stories):
            f.write(json.dumps({"split": "held" if i < held else "train", "text": s}) + "\n")
    chars = sum(map(len, stories))
    print(f"{len(stories)} stories ({held} held out), {chars} characters, {dropped} fragments dropped")


if __name__ == "__main__":
    main()
