"""Layer-wise relevance propagation: rules, composites, and how a call is taken apart for them."""
