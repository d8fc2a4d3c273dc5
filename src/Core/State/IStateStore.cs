namespace Postrider.Core.State;

/// <summary>
/// A small key-value store that the processes of an application share: pauses, holders of locks, the register of processes. Everything is written by comparing
/// and setting, so nobody overwrites what he has not seen. It is for hundreds of entries, not for data.
/// </summary>
/// <remarks>
/// <para>Thread-safe. Whoever made it disposes of it; what waits then ends with <see cref="ObjectDisposedException"/>.</para>
/// <para>
/// A key consists of words of <c>A-Z a-z 0-9 _ -</c> separated by dots, at most <see cref="StateKey.MaxLength"/> characters, and a value has at most
/// <see cref="StateKey.MaxValueBytes"/> bytes; other ones are refused with an <see cref="ArgumentException"/>.
/// </para>
/// <para>
/// An entry that is put with a time to live is gone when that is over by the server's clock, which is the same for all processes. From then on it is as if it
/// had been deleted: it is not got or listed, nothing can be put or deleted with its revision, and a new one may be put for the key.
/// </para>
/// <para>
/// Calls end within some seconds when the server is away, with a <see cref="StateStoreException"/> that is transient. A put or delete that ends so may have been
/// done or may still be; get the entry to find out.
/// </para>
/// </remarks>
public interface IStateStore : IAsyncDisposable
{
    /// <summary>The entry of the key, or null.</summary>
    /// <exception cref="StateStoreException">The server could not do it.</exception>
    ValueTask<StateEntry?> GetAsync(string key, CancellationToken cancellationToken = default);

    /// <summary>Puts an entry in the place of the one with the given revision.</summary>
    /// <param name="key">The key.</param>
    /// <param name="value">The value. It may be used again when the call has ended.</param>
    /// <param name="revision">The revision of the entry that it replaces; 0 if there must be none.</param>
    /// <param name="timeToLive">How long it lives, at least 100 ms, from now on; <see cref="Timeout.InfiniteTimeSpan"/>: until it is deleted.</param>
    /// <param name="cancellationToken">Ends the waiting; it may be put all the same.</param>
    /// <returns>
    /// The new revision, or null if something else is there and nothing was done. Revisions of a key never go back, even after its entry was deleted or has
    /// expired and after restarts of the server, so they serve as fencing tokens.
    /// </returns>
    /// <exception cref="StateStoreException">The server could not do it, or nobody knows whether it did.</exception>
    ValueTask<long?> PutAsync(string key, ReadOnlyMemory<byte> value, long revision, TimeSpan timeToLive, CancellationToken cancellationToken = default);

    /// <summary>Deletes the entry with the given revision.</summary>
    /// <returns>False if something else is there or nothing, and nothing was done.</returns>
    /// <exception cref="StateStoreException">The server could not do it, or nobody knows whether it did.</exception>
    ValueTask<bool> DeleteAsync(string key, long revision, CancellationToken cancellationToken = default);

    /// <summary>All entries whose keys begin with the words of the prefix and have more.</summary>
    /// <exception cref="StateStoreException">The server could not do it.</exception>
    ValueTask<IReadOnlyDictionary<string, StateEntry>> ListAsync(string prefix, CancellationToken cancellationToken = default);

    /// <summary>
    /// Gives what <see cref="ListAsync"/> would: first at once, and again within a second of each change, be it put, deleted or expired. Whoever is slow gets
    /// the latest only. While the server is away it waits; when it is back it goes on, and has missed nothing that is still so.
    /// </summary>
    /// <exception cref="StateStoreException">The server could not do it, and waiting cannot help.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled; nothing else ends it but the disposal of the store.</exception>
    IAsyncEnumerable<IReadOnlyDictionary<string, StateEntry>> WatchAsync(string prefix, CancellationToken cancellationToken = default);
}

/// <summary>An entry of a state store.</summary>
/// <param name="Value">Its value.</param>
/// <param name="Revision">Told apart by it from what was and will be there; above 0.</param>
public sealed record StateEntry(ReadOnlyMemory<byte> Value, long Revision);
