using Postrider.Core.Transport;

namespace Postrider.Core.State;

/// <summary>The rules of keys and values of every state store. For those who write one.</summary>
public static class StateKey
{
    /// <summary>The longest key, in characters.</summary>
    public const int MaxLength = 255;

    /// <summary>The largest value, in bytes.</summary>
    public const int MaxValueBytes = 64 * 1024;

    /// <summary>The shortest time to live.</summary>
    public static readonly TimeSpan ShortestLife = TimeSpan.FromMilliseconds(100);

    /// <summary>Throws unless the key, or the prefix of keys, is legal.</summary>
    /// <exception cref="ArgumentException">It is not.</exception>
    public static void Check(string key)
    {
        ArgumentNullException.ThrowIfNull(key);
        if (Names.WhyIllegalTopic(key) is not null)
        {
            throw new ArgumentException(
                $"A key of the state store consists of words of A-Z, a-z, 0-9, '_' and '-', separated by single dots, and has at most {MaxLength} characters.", nameof(key));
        }
    }

    /// <summary>Throws unless all that is given to <see cref="IStateStore.PutAsync"/> is legal.</summary>
    /// <exception cref="ArgumentException">It is not.</exception>
    public static void Check(string key, ReadOnlyMemory<byte> value, long revision, TimeSpan timeToLive)
    {
        Check(key);
        ArgumentOutOfRangeException.ThrowIfNegative(revision);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(value.Length, MaxValueBytes, nameof(value));
        if (timeToLive != Timeout.InfiniteTimeSpan)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(timeToLive, ShortestLife);
        }
    }

    /// <summary>Whether the key has all words of the prefix and more.</summary>
    public static bool IsBelow(string key, string prefix)
    {
        ArgumentNullException.ThrowIfNull(key);
        ArgumentNullException.ThrowIfNull(prefix);
        return key.Length > prefix.Length && key[prefix.Length] == '.' && key.StartsWith(prefix, StringComparison.Ordinal);
    }
}
