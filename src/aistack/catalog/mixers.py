"""What mixes tokens in a layer: kinds of attention and recurrences, each counting its own parameters from its shape.

Each says what a sequence keeps of it: `cache_elements()` for each token, `state_elements()` whatever the length.

Symbols: D hidden width, H heads, G key-value heads, K head width, V value head width.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Indexer:
    """A small attention that picks which tokens the real one reads (DeepSeek-V3.2, arXiv:2512.02556, section 2.1)."""

    heads: int
    head_dim: int
    top: int
    """How many tokens it lets through."""
    query_rank: int | None
    """Width of what its queries are made from: the latent of the real queries; None: the layer's input."""
    weighted: bool = True
    """Whether each head has a learned weight a token."""
    norm_parameters: int = 0
    shared: bool = False
    """The layer takes what an earlier layer's indexer picked and has none of its own."""

    def parameters(self, hidden: int) -> int:
        """Projections of queries, of the one key, and of the heads' weights, with their norms."""
        if self.shared:
            return 0
        query = (self.query_rank or hidden) * self.heads * self.head_dim
        return query + hidden * self.head_dim + hidden * self.heads * self.weighted + self.norm_parameters

    def cache_elements(self) -> int:
        """Elements of its key of one token."""
        return 0 if self.shared else self.head_dim


@dataclass(frozen=True)
class GroupedQueryAttention:
    """Attention whose H query heads share G key-value heads (G = H is multi-head, G = 1 multi-query)."""

    heads: int
    kv_heads: int
    head_dim: int
    value_dim: int | None = None
    """Width of a value head where it differs from `head_dim`."""
    window: int | None = None
    """How many tokens back a token sees, itself included; None is all of them."""
    chunked: bool = False
    """The window does not slide: tokens see their own stretch of `window` tokens (Llama 4)."""
    qkv_bias: bool = False
    output_bias: bool = False
    gate_width: int = 0
    """Width of a projected gate on what the heads read; 0 where there is none."""
    value_projection: bool = True
    """False where the values are the keys."""
    sinks: bool = False
    """A learned extra logit in each head's softmax (gpt-oss)."""
    norm_parameters: int = 0
    """Of norms on queries and keys."""
    indexer: Indexer | None = None

    def parameters(self, hidden: int) -> int:
        """Weights and biases of the projections, and what belongs to the heads themselves."""
        value = self.value_dim or self.head_dim
        query = self.heads * self.head_dim
        key_value = self.kv_heads * (self.head_dim + value * self.value_projection)
        biases = (query + key_value) * self.qkv_bias + hidden * self.output_bias
        matrices = hidden * (query + key_value + self.gate_width) + self.heads * value * hidden
        indexer = self.indexer.parameters(hidden) if self.indexer else 0
        return matrices + biases + self.heads * self.sinks + self.norm_parameters + indexer

    def cache_elements(self) -> int:
        """Elements that one token adds to this layer's cache (until its window is full)."""
        value = (self.value_dim or self.head_dim) * self.value_projection
        return self.kv_heads * (self.head_dim + value) + (self.indexer.cache_elements() if self.indexer else 0)

    def state_elements(self) -> int:
        """Attention keeps nothing of fixed size."""
        return 0


@dataclass(frozen=True)
class MultiHeadLatentAttention:
    """Attention over a compressed latent, as in DeepSeek-V2 (arXiv:2405.04434, section 2.1)."""

    heads: int
    q_lora_rank: int | None
    kv_lora_rank: int
    nope_dim: int
    rope_dim: int
    value_dim: int
    bias: bool = False
    indexer: Indexer | None = None

    def parameters(self, hidden: int) -> int:
        """Down- and up-projections of query and key-value, their norms, and the output projection."""
        width = self.nope_dim + self.rope_dim
        if self.q_lora_rank is None:
            query = hidden * self.heads * width
        else:
            query = hidden * self.q_lora_rank + self.q_lora_rank + self.q_lora_rank * self.heads * width
        down = hidden * (self.kv_lora_rank + self.rope_dim) + self.kv_lora_rank
        up = self.kv_lora_rank * self.heads * (self.nope_dim + self.value_dim)
        biases = ((self.q_lora_rank or 0) + self.kv_lora_rank + self.rope_dim + hidden) * self.bias
        indexer = self.indexer.parameters(hidden) if self.indexer else 0
        return query + down + up + self.heads * self.value_dim * hidden + biases + indexer

    def cache_elements(self) -> int:
        """Elements that one token adds to this layer's cache: the latent, the shared rotary key, the indexer's key."""
        return self.kv_lora_rank + self.rope_dim + (self.indexer.cache_elements() if self.indexer else 0)

    def state_elements(self) -> int:
        """Attention keeps nothing of fixed size."""
        return 0


@dataclass(frozen=True)
class GatedDeltaNet:
    """A recurrence with a matrix for a state, written by the gated delta rule (arXiv:2412.06464)."""

    key_heads: int
    value_heads: int
    key_dim: int
    value_dim: int
    kernel: int
    """Length of the short convolution over queries, keys and values."""

    @property
    def mixed(self) -> int:
        """Width of queries, keys and values together."""
        return 2 * self.key_heads * self.key_dim + self.value_heads * self.value_dim

    def parameters(self, hidden: int) -> int:
        """Projections into queries, keys, values, gate, decay and step; convolution, head constants, norm; out."""
        values = self.value_heads * self.value_dim
        into = hidden * (self.mixed + values + 2 * self.value_heads)
        return into + self.mixed * self.kernel + 2 * self.value_heads + self.value_dim + values * hidden

    def cache_elements(self) -> int:
        """A recurrence adds nothing a token."""
        return 0

    def state_elements(self) -> int:
        """Elements that a sequence holds in this layer at any length: the matrices, and the convolution's tail."""
        return self.value_heads * self.key_dim * self.value_dim + self.mixed * (self.kernel - 1)


@dataclass(frozen=True)
class Mamba2:
    """A state-space recurrence with one scalar decay a head (Mamba-2, arXiv:2405.21060)."""

    heads: int
    head_dim: int
    groups: int
    state: int
    kernel: int
    convolution_bias: bool = True
    bias: bool = False

    @property
    def width(self) -> int:
        """Width of all heads."""
        return self.heads * self.head_dim

    @property
    def mixed(self) -> int:
        """Width that the convolution covers: the heads' input and each group's two state vectors."""
        return self.width + 2 * self.groups * self.state

    def parameters(self, hidden: int) -> int:
        """Projection into gate, input, state vectors and step; convolution, three constants a head, norm; out."""
        projected = self.width + self.mixed + self.heads
        into = (hidden + self.bias) * projected
        convolution = self.mixed * (self.kernel + self.convolution_bias)
        return into + convolution + 3 * self.heads + self.width + (self.width + self.bias) * hidden

    def cache_elements(self) -> int:
        """A recurrence adds nothing a token."""
        return 0

    def state_elements(self) -> int:
        """Elements that a sequence holds in this layer, however long it is."""
        return self.width * self.state + self.mixed * (self.kernel - 1)


@dataclass(frozen=True)
class CompressedAttention:
    """Attention over a window and over tokens compressed `ratio` to one (DeepSeek-V4's report, section 2.3).

    One key-value head, whose values are its keys; queries and outputs go through low ranks.
    """

    heads: int
    head_dim: int
    rope_dim: int
    query_rank: int
    output_rank: int
    output_groups: int
    window: int
    ratio: int = 0
    """Tokens that one compressed entry stands for; 0: this layer has its window alone."""
    indexer: Indexer | None = None
    """Picks among compressed entries; with one, entries overlap and their projections are twice as wide."""

    def parameters(self, hidden: int) -> int:
        """Projections of queries, of the key-value head, of outputs by groups; sinks; compressor and indexer."""
        width = self.heads * self.head_dim
        query = hidden * self.query_rank + self.query_rank + self.query_rank * width
        output = self.output_rank * width + self.output_groups * self.output_rank * hidden
        own = query + (hidden + 1) * self.head_dim + output + self.heads
        if not self.ratio:
            return own
        if self.indexer is None:
            return own + self._compressor(hidden, self.head_dim, 1)
        index = self.indexer
        picking = index.heads * (self.query_rank * index.head_dim + hidden)
        return own + self._compressor(hidden, self.head_dim, 2) + self._compressor(hidden, index.head_dim, 2) + picking

    def _compressor(self, hidden: int, width: int, wider: int) -> int:
        """Entries and their weights from the input, a bias for each place in the stretch, and a norm."""
        return wider * width * (2 * hidden + self.ratio) + width

    def cache_elements(self) -> int:
        """Elements that one token adds: to the window until it is full, and its share of a compressed entry."""
        entry = self.head_dim + (self.indexer.head_dim if self.indexer else 0)
        return self.head_dim + (entry // self.ratio if self.ratio else 0)

    def state_elements(self) -> int:
        """Attention keeps nothing of fixed size."""
        return 0


Mixer = GroupedQueryAttention | MultiHeadLatentAttention | CompressedAttention | GatedDeltaNet | Mamba2
"""What mixes tokens in a layer."""
