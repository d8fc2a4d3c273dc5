using System.Collections;

namespace Postrider.Testing;

/// <summary>The messages of which something is expected, in the order in which it happened to them. What fails throws a <see cref="MessagingTestException"/>.</summary>
/// <remarks>A snapshot; any assertion library can look at it as a list.</remarks>
public sealed class Observed<TItem> : IReadOnlyList<TItem>
{
    private readonly IReadOnlyList<TItem> _found;
    private readonly string _what;
    private readonly Func<string> _timeline;

    internal Observed(IReadOnlyList<TItem> found, string what, Func<string> timeline) => (_found, _what, _timeline) = (found, what, timeline);

    /// <inheritdoc/>
    public int Count => _found.Count;

    /// <inheritdoc/>
    public TItem this[int index] => _found[index];

    /// <summary>It happened once; returns to what.</summary>
    public TItem Once() => Times(1)[0];

    /// <summary>It did not happen.</summary>
    public void Never() => Times(0);

    /// <summary>It happened so many times.</summary>
    public Observed<TItem> Times(int count) => Expect(Count == count, $"{count}");

    /// <summary>It happened so many times, or more often.</summary>
    public Observed<TItem> AtLeast(int count) => Expect(Count >= count, $"at least {count}");

    /// <inheritdoc/>
    public IEnumerator<TItem> GetEnumerator() => _found.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private Observed<TItem> Expect(bool isSo, string expected) => isSo ? this
        : throw new MessagingTestException($"Expected {expected} {_what}, found {Count}.{Environment.NewLine}{_timeline()}");
}
