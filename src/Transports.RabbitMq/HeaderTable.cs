using System.Collections;
using System.Diagnostics.CodeAnalysis;

namespace Postrider.Transports.RabbitMq;

/// <summary>The headers of the message that is being written: a list that is used again for the next one, without hashing.</summary>
/// <remarks>
/// The client's own tracing sets <c>traceparent</c> through the indexer, when somebody listens to it. The message has its trace context
/// from the Core, so here that is ignored.
/// </remarks>
internal sealed class HeaderTable : IDictionary<string, object?>, IEnumerator<KeyValuePair<string, object?>>
{
    private readonly List<KeyValuePair<string, object?>> _items = [];
    private int _position;

    public int Count => _items.Count;

    public bool IsReadOnly => false;

    public ICollection<string> Keys => [.. _items.Select(static item => item.Key)];

    public ICollection<object?> Values => [.. _items.Select(static item => item.Value)];

    public KeyValuePair<string, object?> Current => _items[_position];

    object IEnumerator.Current => Current;

    [SuppressMessage("Design", "CA1065", Justification = "As dictionaries do.")]
    public object? this[string key]
    {
        get => TryGetValue(key, out var value) ? value : throw new KeyNotFoundException();
        set
        {
            // See the remarks.
        }
    }

    public void Add(string key, object? value) => _items.Add(new(key, value));

    public void Add(KeyValuePair<string, object?> item) => _items.Add(item);

    public void Clear() => _items.Clear();

    public bool Contains(KeyValuePair<string, object?> item) => _items.Contains(item);

    public bool ContainsKey(string key) => TryGetValue(key, out _);

    public void CopyTo(KeyValuePair<string, object?>[] array, int arrayIndex) => _items.CopyTo(array, arrayIndex);

    public bool Remove(string key) => false;

    public bool Remove(KeyValuePair<string, object?> item) => false;

    public bool TryGetValue(string key, out object? value)
    {
        foreach (var item in _items)
        {
            if (item.Key == key)
            {
                value = item.Value;
                return true;
            }
        }

        value = null;
        return false;
    }

    /// <summary>The table is its own enumerator: one message is written at a time.</summary>
    public IEnumerator<KeyValuePair<string, object?>> GetEnumerator()
    {
        Reset();
        return this;
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    public bool MoveNext() => ++_position < _items.Count;

    public void Reset() => _position = -1;

    public void Dispose()
    {
    }
}
