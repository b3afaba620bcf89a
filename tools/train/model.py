# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A LLaMA decoder: RMSNorm, RoPE on adjacent pairs, grouped-query attention, SwiGLU, tied embeddings."""
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F


@dataclass
class Config:
    vocab: int = 2048
    dim: int = 192
    layers: int = 4
    heads: int = 6
    kv_heads: int = 3
    ffn: int = 512
    context: int = 512
    eps: float = 1e-5
    rope_base: float = 10000.0

    @property
    def head_dim(self):
        return self.dim // self.heads


class RMSNorm(nn.Module):
    def __init__(self, dim, eps):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(dim)), eps

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.weight


def rope_table(cfg):
    freq = cfg.rope_base ** (-torch.arange(0, cfg.head_dim, 2, dtype=torch.float64) / cfg.head_dim)
    angle = torch.outer(torch.arange(cfg.context, dtype=torch.float64), freq)
    return angle.cos().float(), angle.sin().float()


def rope(x, cos, sin):
    """x is [batch, time, heads, head_dim]; rotates the pairs (2i, 2i+1)."""
    a, b = x.unflatten(-1, (-1, 2)).unbind(-1)
    cos, sin = cos[:, None], sin[:, None]
    return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2)


class Block(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.cfg = cfg
        kv = cfg.kv_heads * cfg.head_dim
        self.attn_norm = RMSNorm(cfg.dim, cfg.eps)
        self.attn_q = nn.Linear(cfg.dim, cfg.dim, bias=False)
        self.attn_k = nn.Linear(cfg.dim, kv, bias=False)
        self.attn_v = nn.Linear(cfg.dim, kv, bias=False)
        self.attn_output = nn.Linear(cfg.dim, cfg.dim, bias=False)
        self.ffn_norm = RMSNorm(cfg.dim, cfg.eps)
        self.ffn_gate = nn.Linear(cfg.dim, cfg.ffn, bias=False)
        self.ffn_up = nn.Linear(cfg.dim, cfg.ffn, bias=False)
        self.ffn_down = nn.Linear(cfg.ffn, cfg.dim, bias=False)

    def forward(self, x, cos, sin, drop):
        c = self.cfg
        n, t, _ = x.shape
        h = self.attn_norm(x)
        q = rope(self.attn_q(h).view(n, t, c.heads, c.head_dim), cos, sin).transpose(1, 2)
        k = rope(self.attn_k(h).view(n, t, c.kv_heads, c.head_dim), cos, sin).transpose(1, 2)
        v = self.attn_v(h).view(n, t, c.kv_heads, c.head_dim).transpose(1, 2)
        g = c.heads // c.kv_heads  # query head i reads key/value head i // g
        k, v = k.repeat_interleave(g, 1), v.repeat_interleave(g, 1)
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + F.dropout(self.attn_output(a.transpose(1, 2).reshape(n, t, c.dim)), drop, drop > 0)
        h = self.ffn_norm(x)
        return x + F.dropout(self.ffn_down(F.silu(self.ffn_gate(h)) * self.ffn_up(h)), drop, drop > 0)


class Llama(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.cfg, self.drop = cfg, 0.0
        self.token_embd = nn.Embedding(cfg.vocab, cfg.dim)
        self.blk = nn.ModuleList(Block(cfg) for _ in range(cfg.layers))
        self.output_norm = RMSNorm(cfg.dim, cfg.eps)
        cos, sin = rope_table(cfg)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        nn.init.normal_(self.token_embd.weight, std=0.02)
        for b in self.blk:
            for name, p in b.named_parameters():
                if p.dim() == 2:
                    nn.init.normal_(p, std=p.shape[1] ** -0.5 * 0.5)
            nn.init.zeros_(b.attn_output.weight)
            nn.init.zeros_(b.ffn_down.weight)

    def forward(self, ids, targets=None):
        t = ids.shape[1]
        drop = self.drop if self.training else 0.0
        x = F.dropout(self.token_embd(ids), drop, drop > 0)
        for b in self.blk:
            x = b(x, self.cos[:t], self.sin[:t], drop)
        logits = F.linear(self.output_norm(x), self.token_embd.weight)
        if targets is None:
            return logits
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1)
